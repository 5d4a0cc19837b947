import type { Clock } from "../clock/clock.ts";
import type { FrontendConfig } from "../config/types.ts";
import { Fault, messageOf } from "../fault/fault.ts";
import type { Log } from "../log/log.ts";
import type { TargetState } from "../target/state.ts";
import { LimitedCalls, type LimitedCallsOptions } from "../serial/limited-calls.ts";
import type { FrontendHandler, FrontendTarget, Want } from "./handler.ts";

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 10_000;

export interface GuardedHandlerOptions {
  readonly config: FrontendConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly create: (target: FrontendTarget) => FrontendHandler;
  readonly target: FrontendTarget;
}

/** A frontend's handler as its kind made it, with whatever it does wrong made the trouble of this frontend only. */
export class GuardedHandler implements FrontendHandler, LimitedCallsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly #config: FrontendConfig;
  readonly #calls: LimitedCalls;
  readonly #inner: FrontendHandler | undefined;
  /** Why there is none. */
  readonly #flaw: Fault | undefined;
  readonly #target: GuardedTarget;

  constructor({ config, clock, log, create, target }: GuardedHandlerOptions) {
    this.clock = clock;
    this.log = log;
    this.#config = config;
    this.#calls = new LimitedCalls(this);
    this.#target = new GuardedTarget(target, log);
    try {
      this.#inner = create(this.#target);
    } catch (cause) {
      this.#flaw = new Fault("HANDLER_FAILED", `${this.whose} could not be made`, { cause });
    }
  }

  get whose(): string {
    const { name, kind } = this.#config;
    return `the handler of the frontend "${name}" (${kind.namespace}:${kind.name})`;
  }

  async start(signal: AbortSignal): Promise<void> {
    const inner = this.#inner;
    if (inner === undefined) throw this.#flaw ?? new Fault("HANDLER_FAILED", "there is no handler");
    await this.#calls.call({
      step: "start",
      limitMs: START_LIMIT_MS,
      signal,
      settleMs: STOP_LIMIT_MS,
      work: (own) => inner.start(own),
      undo: () => inner.stop(),
    });
  }

  async stop(): Promise<void> {
    await this.#calls.call({ step: "stop", limitMs: STOP_LIMIT_MS, work: () => this.#inner?.stop() });
  }

  reconfigure(options: unknown): (() => void) | undefined {
    try {
      return this.#inner?.reconfigure?.(options);
    } catch (error) {
      this.log.error("the frontend's handler failed to look at other options", { error: messageOf(error) });
      return undefined;
    }
  }

  held(source: string): void {
    report(this.log, "the frontend's handler failed on a held flow", () => this.#inner?.held?.(source));
  }

  async close(): Promise<void> {
    this.#target.close();
    await this.#calls.call({ step: "close", limitMs: STOP_LIMIT_MS, work: () => this.#inner?.close(), atAnyRate: true });
  }
}

const NOTHING_WANTED: Want = { release: () => undefined };

/** A handler's view of its target, of which nothing is heard after close(). */
class GuardedTarget implements FrontendTarget {
  readonly #target: FrontendTarget;
  readonly #log: Log;
  #isClosed = false;

  constructor(target: FrontendTarget, log: Log) {
    this.#target = target;
    this.#log = log;
  }

  get name(): string {
    return this.#target.name;
  }

  get state(): TargetState {
    return this.#target.state;
  }

  warm(reason: string, source?: string): void {
    if (!this.#isClosed) this.#target.warm(reason, source);
  }

  want(): Want {
    return this.#isClosed ? NOTHING_WANTED : this.#target.want();
  }

  onState(listener: (state: TargetState) => void): () => void {
    if (this.#isClosed) return () => undefined;
    const told: (state: TargetState) => unknown = listener;
    return this.#target.onState((state) => {
      report(this.#log, "the frontend's handler failed on a change of its target's state", () => told(state));
    });
  }

  close(): void {
    this.#isClosed = true;
  }
}

/** Logs what `step` throws; also what an async function rejects with, which is as good a void one to TypeScript, and no listener to anybody. */
function report(log: Log, what: string, step: () => unknown): void {
  const failed = (error: unknown): void => {
    log.error(what, { error: messageOf(error) });
  };
  try {
    const result = step();
    if (result instanceof Promise) result.catch(failed);
  } catch (error) {
    failed(error);
  }
}
