/**
 * Package progress: which work is under way, and whether any of it takes longer than it can.
 *
 * Owns the notion of being stuck, by which the watchdog goes: work that should have ended and has not. Work that failed is
 * not stuck, its failure is told where it happens; nor is work that may take as long as it likes, such as a service that
 * starts, which is not registered here. Must not know what the work is.
 */
import type { Clock } from "../clock/clock.ts";
import type { ToolRunner } from "../process/process.ts";
import { DEFAULT_TOOL_TIMEOUT_MS } from "../process/process.ts";

interface Work {
  readonly what: string;
  readonly due: number;
}

export class Progress {
  readonly #clock: Clock;
  readonly #underWay = new Set<Work>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Settles as `work` does, which is expected within `limitMs`. */
  async within<T>(limitMs: number, what: string, work: () => Promise<T>): Promise<T> {
    const entry: Work = { what, due: this.#clock.now() + limitMs };
    this.#underWay.add(entry);
    try {
      return await work();
    } finally {
      this.#underWay.delete(entry);
    }
  }

  /** What should have ended by now and has not. */
  overdue(): string[] {
    const now = this.#clock.now();
    return [...this.#underWay].filter(({ due }) => due < now).map(({ what }) => what);
  }
}

/** A tool that ran out of time is killed and ends at once; on a machine that is short of CPU that takes a while to be noticed. */
const GRACE_MS = 30_000;

/** `tools`, each run of which has to end within its own time limit. */
export function watchedTools(tools: ToolRunner, progress: Progress): ToolRunner {
  return {
    run: (file, args, options = {}) => {
      const limit = (options.timeoutMs ?? DEFAULT_TOOL_TIMEOUT_MS) + GRACE_MS;
      return progress.within(limit, `${file} ${args[0] ?? ""}`.trim(), () => tools.run(file, args, options));
    },
  };
}
