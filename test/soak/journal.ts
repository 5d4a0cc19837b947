/** The daemon's log, read as it grows. */
import { LineFile } from "./line-file.ts";

interface Line {
  readonly time: string;
  readonly level: string;
  readonly msg: string;
  readonly target?: string;
  readonly from?: string;
  readonly to?: string;
  readonly reason?: string;
  readonly error?: string;
  readonly retry_in_ms?: number;
  readonly took_ms?: number;
}

/** A line of level WARN or ERROR. */
export interface Complaint {
  readonly time: number;
  readonly text: string;
  readonly target: string | undefined;
  /** Clients may be refused for so long: a start or a service has failed. */
  readonly retryInMs: number | undefined;
}

export class Journal {
  readonly #file: LineFile<Line>;
  /** Moves of each target, oldest first. */
  readonly #moves = new Map<string, { readonly time: number; readonly to: string }[]>();
  readonly complaints: Complaint[] = [];
  /** First packets that started something: the reasons. */
  readonly wakers = new Set<string>();
  wakes = 0;
  drains = 0;

  constructor(path: string) {
    this.#file = new LineFile(path);
  }

  async read(): Promise<void> {
    for (const line of await this.#file.news()) this.#take(line);
  }

  #take(line: Line): void {
    const { level, msg, target, from, to, reason = "", error } = line;
    const time = Date.parse(line.time);
    if (msg === "target state" && target !== undefined && to !== undefined) {
      const moves = this.#moves.get(target) ?? [];
      moves.push({ time, to });
      this.#moves.set(target, moves);
      if (from === "warming" && to === "active") this.wakes++;
      if (from === "draining" && to === "inactive") this.drains++;
      if (to === "warming") this.wakers.add(/from (.*):\d+$/.exec(reason)?.[1] ?? reason);
    }
    if (msg === "ready") this.#startedAt(time - (line.took_ms ?? 0));
    if (level === "INFO" || level === "DEBUG") return;
    const text = [level, msg, target, from, to, error].filter((each) => each !== undefined).join(" ");
    this.complaints.push({ time, text, target, retryInMs: line.retry_in_ms });
  }

  /** A new daemon knows only what it has found running since then. */
  #startedAt(time: number): void {
    for (const moves of this.#moves.values()) {
      const last = moves.at(-1);
      if (last?.to === "active" && last.time < time) moves.push({ time, to: "inactive" });
    }
  }

  /** Whether a target was active, for all that is known, at any time from `begin` to `end`, and not about to become or cease to be. */
  isActive(target: string, begin: number, end: number): boolean {
    const moves = this.#moves.get(target) ?? [];
    const before = moves.filter(({ time }) => time <= begin).at(-1);
    return before?.to === "active" && !moves.some(({ time }) => time > begin && time <= end);
  }

  /** Whether it became so in that time. */
  became(target: string, state: string, begin: number, end: number): boolean {
    return (this.#moves.get(target) ?? []).some(({ time, to }) => to === state && time >= begin && time <= end);
  }
}
