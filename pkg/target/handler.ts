/**
 * What a target kind brings: how its service is started and stopped.
 *
 * Order of life: create (no side effects) → adopt → warm ⇄ drain, any number of times, never two at once → close.
 *
 * What a handler does wrong is its target's trouble only. If create throws, the target stays inactive with that as its
 * last_error, and each warm fails with it. A call that throws is a call that rejects. One that takes too long is given up
 * (Fault HANDLER_STUCK): the target goes on as if it had failed, and calls warm or drain again only when that call has
 * ended; a warm that succeeds after it was given up is followed by drain. Only close and detach are called in any case.
 */
import type { Clock } from "../clock/clock.ts";
import type { EndpointConfig } from "../config/types.ts";
import type { Log } from "../log/log.ts";
import type { CommandRunner } from "../process/process.ts";
import type { Fault } from "../fault/fault.ts";

export interface TargetHandler {
  /**
   * How long drain(), close(), adopt() and detach() may take at most, in ms, and how long warm() may once its signal has
   * aborted. Default: 60 000.
   */
  readonly stopLimitMs?: number;
  /**
   * Finds the service that a daemon which is no more had started, if it still runs: true, and all is as if warm() had
   * resolved. What it finds but can't take over it stops. Called at most once, before anything else. Left out by kinds
   * whose services end with the daemon, or are not theirs.
   */
  adopt?(): Promise<boolean>;
  /**
   * Starts the service. Resolves when it is started (the caller finds out whether it is ready). Given up after the target's
   * ready.timeout and stopLimitMs together; its signal aborts then.
   * @throws anything; what was acquired is released by then. The signal's reason when it aborts.
   */
  warm(signal: AbortSignal): Promise<void>;
  /** Stops the service; it is gone when this resolves. Never called before warm() has resolved. */
  drain(): Promise<void>;
  /**
   * What takes over other options, if they need no new start; to be called at once, or not at all. undefined, or throws: they
   * need one. Left out by kinds that can't.
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
  /**
   * This target's own under the daemon's runtime directory, mode 0700. Of a kind that starts services it exists when warm() is called,
   * and when adopt() has anything to find.
   */
  readonly directory: string;
  /** To be called when the service ends without being asked to; ignored outside of warm, and after close. Never throws. */
  died(reason: Fault): void;
}
