/**
 * What a target kind brings: how its service is started and stopped.
 *
 * Order of life: create (no side effects) → adopt → warm ⇄ drain, any number of times, never two at once → close.
 */
import type { Clock } from "../clock/clock.ts";
import type { EndpointConfig } from "../config/types.ts";
import type { Log } from "../log/log.ts";
import type { CommandRunner } from "../process/process.ts";
import type { Fault } from "../fault/fault.ts";

export interface TargetHandler {
  /**
   * Finds the service that a daemon which is no more had started, if it still runs: true, and all is as if warm() had
   * resolved. What it finds but can't take over it stops. Called at most once, before anything else. Left out by kinds
   * whose services end with the daemon, or are not theirs.
   */
  adopt?(): Promise<boolean>;
  /**
   * Starts the service. Resolves when it is started (the caller finds out whether it is ready).
   * @throws anything; what was acquired is released by then. The signal's reason when it aborts.
   */
  warm(signal: AbortSignal): Promise<void>;
  /** Stops the service; it is gone when this resolves. Never called before warm() has resolved. */
  drain(): Promise<void>;
  /**
   * What takes over other options, if they need no new start; to be called at once, or not at all. undefined: they need one. Left
   * out by kinds that can't.
   */
  reconfigure?(options: unknown): (() => void) | undefined;
  /**
   * Lets go of the service, if one was started, so that it goes on without this daemon: the next one's adopt() is to find it.
   * Called in place of close(). Left out by kinds whose services can't.
   */
  detach?(): Promise<void>;
  /** Releases everything, the service included. Idempotent. Nothing is called afterwards. */
  close(): Promise<void>;
}

export interface TargetContext<Options> {
  readonly name: string;
  readonly endpoints: readonly EndpointConfig[];
  readonly options: Options;
  readonly log: Log;
  readonly clock: Clock;
  readonly commands: CommandRunner;
  /** This target's own under the daemon's runtime directory, mode 0700; it exists when warm() is called, and when adopt() has anything to find. */
  readonly directory: string;
  /** To be called when the service ends without being asked to; ignored outside of warm. */
  died(reason: Fault): void;
}
