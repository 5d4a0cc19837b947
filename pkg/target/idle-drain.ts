import { hasCode, messageOf } from "../fault/fault.ts";
import { IdleWatch, type IdleWatchOptions } from "./idle-watch.ts";
import type { Wants } from "./wants.ts";

export interface IdleDrainOptions extends IdleWatchOptions {
  readonly wants: Wants;
  /** Drains, unless a packet came after `idleAt` (of the clock) or `signal` has aborted by the time it is its turn. */
  readonly drain: (reason: string, idleAt: number, signal: AbortSignal) => Promise<void>;
}

/** Drains a target at the end of one active period, if that ends by nobody using it. */
export class IdleDrain {
  readonly #options: IdleDrainOptions;
  readonly #watch: IdleWatch;
  readonly #abort = new AbortController();
  #idleTimeoutMs: number;

  /** The idle timeout counts from now. */
  constructor(options: IdleDrainOptions) {
    this.#options = options;
    this.#idleTimeoutMs = options.idleTimeoutMs;
    this.#watch = new IdleWatch(options);
  }

  /** Failures are logged. */
  start(): void {
    this.#run().catch((error: unknown) => {
      if (!this.#abort.signal.aborted && !hasCode(error, "TARGET_BUSY"))
        this.#options.log.error("could not drain the idle target", { error: messageOf(error) });
    });
  }

  /** See IdleWatch.due; undefined while somebody wants the target, and after stop(). */
  get due(): number | undefined {
    const { wants } = this.#options;
    return wants.first() !== undefined || this.#abort.signal.aborted ? undefined : this.#watch.due;
  }

  setIdleTimeout(ms: number): void {
    this.#idleTimeoutMs = ms;
    this.#watch.setIdleTimeout(ms);
  }

  /** The period has ended otherwise. Idempotent. */
  stop(): void {
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    const { wants, drain } = this.#options;
    const { signal } = this.#abort;
    let idleAt: number;
    do {
      await wants.none(signal);
      idleAt = await this.#watch.idle(signal);
    } while (wants.first() !== undefined);
    await drain(`idle for ${this.#idleTimeoutMs} ms`, idleAt, signal);
  }
}
