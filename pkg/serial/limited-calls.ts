import type { Clock } from "../clock/clock.ts";
import { Fault, messageOf } from "../fault/fault.ts";
import type { Log } from "../log/log.ts";

export interface LimitedCallsOptions {
  /** Whose code it is that is called, for messages. */
  readonly whose: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface LimitedCall<T> {
  /** What is called, for messages. */
  readonly step: string;
  readonly limitMs: number;
  /** May throw, too. Its signal aborts with `signal`, and when the call is given up. */
  readonly work: (signal: AbortSignal) => Promise<T> | T;
  /** Once it aborts, the call has `settleMs` to end. */
  readonly signal?: AbortSignal;
  readonly settleMs?: number;
  /** Undoes what a call did that succeeded only after it was given up. May throw. */
  readonly undo?: (value: T) => Promise<unknown>;
  /** Also while a call that was given up has not ended. Default: waits for that. */
  readonly atAnyRate?: boolean;
}

/** Nobody reads it; without a reason, each abort makes an exception with a stack of its own. */
const OVER = new Fault("CALL_OVER", "the call has ended");

/** Microtasks: more than it takes an async function without anything to wait for. */
const SOON = 8;

/** Whether there is nothing to wait for, as with most calls: of thousands, none needs a timer then. */
async function isSoon(settled: Promise<void>): Promise<boolean> {
  let isSettled = false;
  void settled.then(() => {
    isSettled = true;
  });
  const look = (): boolean => isSettled;
  for (let turn = 0; turn < SOON && !look(); turn++) await Promise.resolve();
  return look();
}

/**
 * Calls of code that is not our own: they may throw instead of reject, and never settle. One that takes longer than its
 * limit is given up. It goes on, however, so the next call waits for its end: the code was promised not to be called twice at once.
 */
export class LimitedCalls {
  readonly #options: LimitedCallsOptions;
  /** A call that was given up, and resolves when it has ended. */
  #givenUp: { readonly step: string; readonly ended: Promise<void> } | undefined;

  constructor(options: LimitedCallsOptions) {
    this.#options = options;
  }

  /** True while a call that was given up has not ended. */
  get stuck(): boolean {
    return this.#givenUp !== undefined;
  }

  /** @throws what `work` throws, or Fault HANDLER_STUCK */
  async call<T>(call: LimitedCall<T>): Promise<T> {
    const { step, limitMs, signal, settleMs = limitMs } = call;
    if (call.atAnyRate !== true) await this.#untilFree(step, limitMs);
    const abort = new AbortController();
    if (signal?.aborted === true) abort.abort(signal.reason);
    const work = (async () => call.work(abort.signal))();
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    if (await isSoon(settled)) return work;
    const aborted = new Promise<void>((resolve) => {
      const onAbort = (): void => {
        abort.abort(signal?.reason);
        resolve();
      };
      if (signal?.aborted === true) onAbort();
      else signal?.addEventListener("abort", onAbort, { once: true, signal: abort.signal });
    });
    let limit = limitMs;
    let inTime = await this.#within(Promise.race([settled, aborted]), limit);
    if (inTime && abort.signal.aborted) inTime = await this.#within(settled, (limit = settleMs));
    if (!inTime) {
      const fault = this.#stuck(`${step} did not end within ${limit} ms`);
      abort.abort(fault);
      const ended = this.#end(work, call);
      this.#givenUp = { step, ended };
      throw fault;
    }
    // takes the listener away
    abort.abort(OVER);
    return work;
  }

  async #untilFree(step: string, limitMs: number): Promise<void> {
    if (this.#givenUp === undefined) return;
    if (await this.#within(this.#givenUp.ended, limitMs)) return;
    throw this.#stuck(`${step} must wait for ${this.#givenUp.step}, which was given up and has not ended`);
  }

  /** The end of a call that was given up. Never rejects. */
  async #end<T>(work: Promise<T>, { step, undo }: LimitedCall<T>): Promise<void> {
    const { log, whose } = this.#options;
    let error: unknown;
    try {
      const value = await work;
      await undo?.(value);
    } catch (thrown) {
      error = thrown;
    }
    log.warn("a call that was given up has ended", {
      whose,
      step,
      ...(error === undefined ? {} : { error: messageOf(error) }),
    });
    this.#givenUp = undefined;
  }

  async #within(ended: Promise<void>, ms: number): Promise<boolean> {
    const over = new AbortController();
    const late = this.#options.clock.sleep(ms, over.signal).then(
      () => false,
      () => true,
    );
    const inTime = await Promise.race([ended.then(() => true), late]);
    over.abort(OVER);
    return inTime;
  }

  #stuck(what: string): Fault {
    return new Fault("HANDLER_STUCK", `${this.#options.whose}: ${what}`);
  }
}
