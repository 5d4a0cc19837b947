/**
 * What a frontend kind brings: when its target is wanted.
 *
 * Order of life: create (no side effects) → start ⇄ stop, any number of times, never two at once → close.
 *
 * What a handler does wrong is its frontend's trouble only. If create throws, the frontend stays stopped with that as its
 * last_error. A call that throws is a call that rejects. One that takes too long (start 30 s, stop and close 10 s) is given up
 * (Fault HANDLER_STUCK): the frontend goes on as if it had failed, and calls start or stop again only when that call has
 * ended; a start that succeeds after it was given up is followed by stop. Only close is called in any case. What held() and
 * listeners throw, or reject with, is logged.
 */
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import type { TargetState } from "../target/state.ts";
import type { AddrPort } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";

export interface FrontendHandler {
  /** @throws anything; what was acquired is released by then */
  start(signal: AbortSignal): Promise<void>;
  /** Undoes start. Idempotent. */
  stop(): Promise<void>;
  /** The first packet of a flow came and is held (kinds whose `whenCold` is `hold`). `source`: the client's address and port. */
  held?(source: string): void;
  /**
   * What takes over other options, started or not; to be called at once, or not at all. undefined, or throws: a new handler is needed.
   * Left out by kinds that can't.
   */
  reconfigure?(options: unknown): (() => void) | undefined;
  /** Stops and releases everything. Idempotent. */
  close(): Promise<void>;
}

export interface FrontendContext<Options> {
  readonly name: string;
  readonly protocol: Protocol;
  readonly listen: readonly AddrPort[];
  readonly options: Options;
  readonly log: Log;
  readonly clock: Clock;
  readonly target: FrontendTarget;
}

/** The part of its target that a frontend handler may see and ask for. */
export interface FrontendTarget {
  readonly name: string;
  readonly state: TargetState;
  /**
   * Asks for the target to be warmed. Returns at once; ignored while it is warm already or waits before its next try.
   * `source`: the client on whose behalf, if any.
   */
  warm(reason: string, source?: string): void;
  /** While held, the target is not drained for being idle. Released at the latest when the frontend stops. */
  want(): Want;
  /** Calls `listener` after each change of state, until the returned function is called or the frontend closes. */
  onState(listener: (state: TargetState) => void): () => void;
}

export interface Want {
  /** Idempotent. */
  release(): void;
}
