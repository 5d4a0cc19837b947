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

/** conntrack tells lifetimes in whole seconds: near the end of a flow's, it is asked this often. */
const END_OF_FLOW_STEP_MS = 50;
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

  /** Counts from now. */
  constructor(options: IdleWatchOptions) {
    this.#options = options;
    this.#busyAt = options.clock.now();
  }

  /**
   * Resolves as soon as the target has been quiet for its idle timeout; at once if it has been already. Gives the
   * moment (of the clock) from which on nothing is known. @throws the signal's reason
   */
  async idle(signal: AbortSignal): Promise<number> {
    const { clock, log, idleTimeoutMs } = this.#options;
    for (;;) {
      const due = this.#busyAt + idleTimeoutMs;
      if (clock.now() < due) await clock.sleep(due - clock.now(), signal);
      signal.throwIfAborted();
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

  /** Asked when it could be so. False: it has been busy since, and #busyAt is up to date. */
  async #isIdle(signal: AbortSignal): Promise<boolean> {
    const { clock, group, idleTimeoutMs } = this.#options;
    await this.#readClock();
    if (clock.now() < this.#busyAt + idleTimeoutMs) return false;
    let flows = await group.flows();
    if (flows.count === 0) return true;
    let asked: number;
    do {
      asked = clock.now();
      const { longestMs } = flows;
      this.#busyAt = asked;
      // if it is closed before its time, the target is due an idle timeout after that, so no earlier than one from now
      const wait = Math.min(Math.max(longestMs, END_OF_FLOW_STEP_MS), idleTimeoutMs);
      await clock.sleep(wait, signal);
      await this.#readClock();
      flows = await group.flows();
      // no packet, so no flow was closed: the longest of them lived as long as it could
      if (flows.count === 0 && this.#busyAt === asked) this.#busyAt = asked + Math.min(longestMs, wait);
    } while (flows.count > 0 && this.#busyAt === asked);
    return false;
  }

  async #readClock(): Promise<void> {
    const quietFor = await this.#options.group.quietFor();
    if (quietFor !== undefined) this.#busyAt = Math.max(this.#busyAt, this.#options.clock.now() - quietFor);
  }
}
