import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { StateMachine } from "../state/state-machine.ts";

export type FrontendState = "stopped" | "starting" | "running" | "stopping" | "closed";

/** From each state, those that may follow. */
const MOVES: Readonly<Record<FrontendState, readonly FrontendState[]>> = {
  stopped: ["starting", "closed"],
  starting: ["running", "stopped"],
  running: ["stopping"],
  stopping: ["stopped"],
  closed: [],
};

export function frontendMachine(name: string, clock: Clock, log: Log): StateMachine<FrontendState> {
  return new StateMachine({
    subject: `frontend "${name}"`,
    event: "frontend state",
    initial: "stopped",
    moves: MOVES,
    clock,
    log,
  });
}
