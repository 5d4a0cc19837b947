/** What plugins hear of as it happens, and programs over the control socket: names and shapes never change, fields may be added. */
import type { FrontendState } from "../frontend/state.ts";
import type { TargetState } from "../target/state.ts";
import type { ReloadReport } from "./plugin.ts";

export type EngineEvent =
  TargetStateEvent | FrontendStateEvent | HoldEvent | ReleaseEvent | RefusalEvent | TransactionEvent | ReloadEvent;

export type EventType = EngineEvent["type"];

interface Happened {
  /** RFC 3339 in UTC, with milliseconds. */
  readonly at: string;
}

/** A target's state changed. */
export interface TargetStateEvent extends Happened {
  readonly type: "target_state";
  readonly target: string;
  readonly from: TargetState;
  readonly to: TargetState;
  /** In words. */
  readonly reason?: string;
  /** Of a wake: by which frontend's client, as address:port. */
  readonly frontend?: string;
  readonly source?: string;
  /** warming → active: since it was asked for. */
  readonly took_ms?: number;
  /** What failed, or why the service ended. */
  readonly error?: string;
  /** With `error`: for how long clients do not wake it. */
  readonly retry_in_ms?: number;
}

export interface FrontendStateEvent extends Happened {
  readonly type: "frontend_state";
  readonly frontend: string;
  readonly target: string;
  readonly from: FrontendState;
  readonly to: FrontendState;
  readonly reason?: string;
  readonly error?: string;
}

/** The first packet of a flow is held. */
export interface HoldEvent extends Happened {
  readonly type: "hold";
  readonly frontend: string;
  readonly target: string;
  /** The client's address and port. */
  readonly source: string;
}

/**
 * A flow is held no more. One that a reload hands over to another frontend is released by that one, and `held_ms` counts from the
 * beginning.
 */
export interface ReleaseEvent extends Happened {
  readonly type: "release";
  readonly frontend: string;
  readonly target: string;
  readonly source: string;
  /**
   * Let go to the target; refused because it can't be woken; refused after `hold.timeout`; dropped with its frontend, or by the
   * kernel with the queue.
   */
  readonly outcome: "passed" | "refused" | "timed_out" | "dropped";
  readonly held_ms: number;
}

/** The kernel turned packets of new flows away. It only counts them, so this comes now and then, not for each. */
export interface RefusalEvent extends Happened {
  readonly type: "refusal";
  readonly frontend: string;
  readonly target: string;
  /** `allow` and `deny`; `ignore`; `wake_limit`; `hold.max_flows`. */
  readonly gate: "denied" | "ignored" | "limited" | "overflowed";
  /** Since the last one of the same frontend and gate. */
  readonly packets: number;
}

/** A transaction of the packet path ended: the kernel took it, or did not. Since the beginning, the table's own making included. */
export interface TransactionEvent extends Happened {
  readonly type: "transaction";
  readonly took_ms: number;
  readonly error?: string;
}

/** A reload ended; without `report`, nothing was changed because of `error`. */
export interface ReloadEvent extends Happened {
  readonly type: "reload";
  readonly report?: ReloadReport;
  readonly error?: string;
}
