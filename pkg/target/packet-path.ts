import type { Clock } from "../clock/clock.ts";
import type { Group } from "../dataplane/dataplane.ts";
import { Fault, messageOf } from "../fault/fault.ts";
import type { Log } from "../log/log.ts";

const RETRY_MS = 1000;

export interface PacketPathOptions {
  /** The target's. */
  readonly name: string;
  readonly group: Group;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a target asks of its group when it is to stop. */
export class PacketPath {
  readonly #options: PacketPathOptions;

  constructor(options: PacketPathOptions) {
    this.#options = options;
  }

  /** No longer sends new flows to the target. False if that failed, which is logged. */
  shut(): Promise<boolean> {
    return this.#succeeds(() => this.#options.group.deactivate());
  }

  /**
   * Shuts, and ends the flows that exist, once the service is gone. Tries until it is done or `signal` aborts: as long as
   * clients are sent to where nobody listens, none of them can wake it.
   */
  async leave(signal: AbortSignal): Promise<void> {
    const { clock, group } = this.#options;
    while (!(await this.shut()) && !signal.aborted) await clock.sleep(RETRY_MS, signal).catch(() => undefined);
    await this.#succeeds(() => group.cutFlows());
  }

  /**
   * After a drain that was called off: tries until it is done, since a service is not to be stopped, with flows on it, because nft
   * failed. Gives up when `isVain`, which is asked again when `signal` aborts. @throws what the last try failed with
   */
  async reopen(isVain: () => boolean, signal: AbortSignal): Promise<void> {
    const { clock, group, log } = this.#options;
    for (;;) {
      try {
        await group.activate();
        return;
      } catch (error) {
        if (isVain()) throw error;
        const fields = { error: messageOf(error), in_ms: RETRY_MS };
        log.error("could not take the target back into the packet path; trying again", fields);
      }
      await clock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
  }

  /** What `objection` says to a drain; where nobody can tell, a flow may be alive, and one may come if it could not be shut. */
  async objectionTo(isShut: boolean, objection: () => Promise<Fault | undefined>): Promise<Fault | undefined> {
    const { name } = this.#options;
    if (!isShut) return new Fault("NOT_SHUT", `new clients of "${name}" could not be held, and would have been lost`);
    return objection().catch(
      (cause: unknown) => new Fault("FLOWS_UNKNOWN", `could not find out whether flows are alive on "${name}"`, { cause }),
    );
  }

  async #succeeds(step: () => Promise<void>): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      this.#options.log.error("could not take the target out of the packet path", { error: messageOf(error) });
      return false;
    }
  }

  /** Once it is shut: why the target must not stop, if a packet came after `moment` of the clock, is held, or a flow is alive. */
  async busySince(moment: number): Promise<Fault | undefined> {
    const { clock, group } = this.#options;
    const quietFor = await group.quietFor();
    const packet = quietFor !== undefined && clock.now() - quietFor > moment;
    if (packet || group.held > 0) return new Fault("TARGET_BUSY", "traffic came while draining");
    return this.aliveFlows();
  }

  /** Why the target must not stop, if a flow is alive. */
  async aliveFlows(): Promise<Fault | undefined> {
    const { group, name } = this.#options;
    const { count } = await group.flows();
    if (count === 0) return undefined;
    const flows = count === 1 ? "1 flow is" : `${count} flows are`;
    return new Fault("TARGET_BUSY", `${flows} alive on "${name}"; to cut them: proxygwctl drain ${name} --force`);
  }
}
