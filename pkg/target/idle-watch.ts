import type { Clock } from "../clock/clock.ts";
import type { Group } from "../dataplane/dataplane.ts";
import { messageOf } from "../fault/fault.ts";
import type { Log } from "../log/log.ts";

export interface IdleWatchOptions {
  readonly group: Pick<Group, "quietFor" | "flows">;
  readonly idleTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** The kernel tells lifetimes in whole seconds, less than which is left: near the end of a flow's, it is asked this often. */
const END_OF_FLOW_STEP_MS = 50;
const TOLD_LESS_BY_MS = 1000;
/** How long to wait when the question itself failed. */
const RETRY_MS = 5000;

/**
 * Finds out that a target has been quiet for its idle timeout: no packet, and no flow alive.
 *
 * It sleeps until that could be so at the earliest, asks for the time of the last packet, and moves on if there was
 * one; only when there was none it asks for flows that are silent but alive. So it costs one question per idle
 * timeout, whatever the traffic, and there is no stream of events to lose.
 */
export class IdleWatch {
  readonly #options: IdleWatchOptions;
  /** The latest moment at which there is known to have been a packet or a flow alive. */
  #busyAt: number;
  /** How long a flow that is silent may live after that. */
  #silentMs = 0;
  #idleTimeoutMs: number;
  /** Ends the present sleep. */
  #wake = new AbortController();

  /** Counts from now. */
  constructor(options: IdleWatchOptions) {
    this.#options = options;
    this.#idleTimeoutMs = options.idleTimeoutMs;
    this.#busyAt = options.clock.now();
  }

  /**
   * Resolves as soon as the target has been quiet for its idle timeout; at once if it has been already. Gives the
   * moment (of the clock) from which on nothing is known. @throws the signal's reason
   */
  async idle(signal: AbortSignal): Promise<number> {
    const { clock, log } = this.#options;
    for (;;) {
      await this.#untilDue(signal);
      const asked = clock.now();
      try {
        if (await this.#isIdle(signal)) return asked;
      } catch (error) {
        signal.throwIfAborted();
        log.warn("could not find out whether the target is idle; trying again", { error: messageOf(error), in_ms: RETRY_MS });
        await clock.sleep(RETRY_MS, signal);
      }
    }
  }

  /** The moment (of the clock) at which it will be idle as far as is known: a packet since the last look is not. */
  get due(): number {
    return this.#busyAt + this.#silentMs + this.#idleTimeoutMs;
  }

  /** From now on, quiet for so long; counted from the same moment as before. */
  setIdleTimeout(ms: number): void {
    this.#idleTimeoutMs = ms;
    this.#wake.abort();
  }

  async #untilDue(signal: AbortSignal): Promise<void> {
    for (let left = this.#left(); left > 0; left = this.#left()) await this.#sleep(left, signal);
    signal.throwIfAborted();
  }

  /** Shorter when setIdleTimeout() is called. @throws the signal's reason */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.#wake = new AbortController();
    await this.#options.clock.sleep(ms, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined);
    signal.throwIfAborted();
  }

  #left(): number {
    return this.#busyAt + this.#idleTimeoutMs - this.#options.clock.now();
  }

  /** Asked when it could be so. False: it has been busy since, and #busyAt is up to date. */
  async #isIdle(signal: AbortSignal): Promise<boolean> {
    const { clock, group } = this.#options;
    await this.#readClock();
    if (this.#left() > 0) return false;
    let flows = await group.flows();
    // unless the timeout was made longer meanwhile
    if (flows.count === 0) return this.#left() <= 0;
    let asked: number;
    do {
      asked = clock.now();
      const { longestMs } = flows;
      this.#busyAt = asked;
      this.#silentMs = longestMs;
      // if it is closed before its time, the target is due an idle timeout after that, so no earlier than one from now
      const wait = Math.min(Math.max(longestMs, END_OF_FLOW_STEP_MS), this.#idleTimeoutMs);
      await this.#sleep(wait, signal);
      await this.#readClock();
      flows = await group.flows();
      // No packet, so no flow was closed: the longest of them lived as long as it could, at the latest until now. Nobody is to be
      // stopped before its time; after it, by a step.
      if (flows.count === 0 && this.#busyAt === asked)
        this.#busyAt = asked + Math.min(longestMs + TOLD_LESS_BY_MS, clock.now() - asked);
    } while (flows.count > 0 && this.#busyAt === asked);
    return false;
  }

  async #readClock(): Promise<void> {
    this.#silentMs = 0;
    const quietFor = await this.#options.group.quietFor();
    if (quietFor !== undefined) this.#busyAt = Math.max(this.#busyAt, this.#options.clock.now() - quietFor);
  }
}
