import type { Clock } from "../clock/clock.ts";
import type { KindReference } from "../config/types.ts";
import { Fault, messageOf } from "../fault/fault.ts";
import type { Log } from "../log/log.ts";
import { LimitedCalls, type LimitedCallsOptions } from "../serial/limited-calls.ts";
import type { TargetHandler } from "./handler.ts";

/** How long stopping may take where a handler does not say. */
const STOP_LIMIT_MS = 60_000;
/** What close() is given while the handler is stuck in something else. */
const LAST_CHANCE_MS = 10_000;

export interface GuardedHandlerOptions {
  readonly name: string;
  readonly kind: KindReference;
  /** How long the target may take from its start until it is ready, by now. */
  readonly readyTimeoutMs: () => number;
  readonly clock: Clock;
  readonly log: Log;
  readonly create: (died: (reason: Fault) => void) => TargetHandler;
  readonly died: (reason: Fault) => void;
}

/**
 * A target's handler as its kind made it, with whatever it does wrong made the trouble of this target only: what it throws
 * becomes a rejection, what never settles is given up, and of what comes after close() nobody hears.
 */
export class GuardedHandler implements TargetHandler, LimitedCallsOptions {
  /** There if the handler has it. */
  readonly detach?: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  readonly #name: string;
  readonly #kind: KindReference;
  readonly #readyTimeoutMs: () => number;
  readonly #calls: LimitedCalls;
  readonly #inner: TargetHandler | undefined;
  /** Why there is none. */
  readonly #flaw: Fault | undefined;
  #isClosed = false;

  constructor({ name, kind, readyTimeoutMs, clock, log, create, died }: GuardedHandlerOptions) {
    this.clock = clock;
    this.log = log;
    this.#name = name;
    this.#kind = kind;
    this.#readyTimeoutMs = readyTimeoutMs;
    this.#calls = new LimitedCalls(this);
    try {
      this.#inner = create((reason: unknown) => {
        if (!this.#isClosed) died(deathOf(reason));
      });
      if (this.#inner.detach !== undefined) this.detach = () => this.#detach();
    } catch (cause) {
      this.#flaw = new Fault("HANDLER_FAILED", `${this.whose} could not be made`, { cause });
    }
  }

  get whose(): string {
    return `the handler of the target "${this.#name}" (${this.#kind.namespace}:${this.#kind.name})`;
  }

  get stopLimitMs(): number {
    const own = this.#inner?.stopLimitMs;
    return own !== undefined && own > 0 ? own : STOP_LIMIT_MS;
  }

  async adopt(): Promise<boolean> {
    const inner = this.#made();
    return this.#calls.call({
      step: "adopt",
      limitMs: this.stopLimitMs,
      work: async () => (await inner.adopt?.()) === true,
      undo: async (found) => (found ? inner.drain() : undefined),
    });
  }

  async warm(signal: AbortSignal): Promise<void> {
    const inner = this.#made();
    await this.#calls.call({
      step: "warm",
      limitMs: this.#readyTimeoutMs() + this.stopLimitMs,
      signal,
      settleMs: this.stopLimitMs,
      work: (own) => inner.warm(own),
      undo: () => inner.drain(),
    });
  }

  async drain(): Promise<void> {
    await this.#calls.call({ step: "drain", limitMs: this.stopLimitMs, work: () => this.#inner?.drain() });
  }

  reconfigure(options: unknown): (() => void) | undefined {
    try {
      return this.#inner?.reconfigure?.(options);
    } catch (error) {
      this.log.error("the target's handler failed to look at other options", { error: messageOf(error) });
      return undefined;
    }
  }

  async #detach(): Promise<void> {
    await this.#end("detach", () => this.#inner?.detach?.());
  }

  async close(): Promise<void> {
    await this.#end("close", () => this.#inner?.close());
  }

  async #end(step: string, work: () => Promise<void> | undefined): Promise<void> {
    this.#isClosed = true;
    const limitMs = this.#calls.stuck ? Math.min(LAST_CHANCE_MS, this.stopLimitMs) : this.stopLimitMs;
    await this.#calls.call({ step, limitMs, work, atAnyRate: true });
  }

  #made(): TargetHandler {
    if (this.#inner === undefined) throw this.#flaw ?? new Fault("HANDLER_FAILED", "there is no handler");
    return this.#inner;
  }
}

/** Plugins need not be written in TypeScript. */
function deathOf(reason: unknown): Fault {
  return reason instanceof Fault ? reason : new Fault("SERVICE_ENDED", "the service ended", { cause: reason });
}
