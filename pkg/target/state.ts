import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { StateMachine } from "../state/state-machine.ts";

export type TargetState = "inactive" | "warming" | "active" | "draining" | "closed";

/** From each state, those that may follow. */
const MOVES: Readonly<Record<TargetState, readonly TargetState[]>> = {
  inactive: ["warming", "closed"],
  warming: ["active", "inactive"],
  // straight to inactive: the service died
  active: ["draining", "inactive"],
  // back to active: the drain was called off
  draining: ["inactive", "active"],
  closed: [],
};

export function targetMachine(name: string, clock: Clock, log: Log): StateMachine<TargetState> {
  return new StateMachine({ subject: `target "${name}"`, event: "target state", initial: "inactive", moves: MOVES, clock, log });
}
