import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { type MoveListener, StateMachine } from "../state/state-machine.ts";

export type FrontendState = "stopped" | "starting" | "running" | "stopping" | "closed";

/** From each state, those that may follow. */
const MOVES: Readonly<Record<FrontendState, readonly FrontendState[]>> = {
  stopped: ["starting", "closed"],
  starting: ["running", "stopped"],
  running: ["stopping"],
  stopping: ["stopped"],
  closed: [],
};

/** What its surroundings give a machine. */
interface Given {
  readonly clock: Clock;
  readonly log: Log;
  readonly moved?: MoveListener<FrontendState> | undefined;
}

export function frontendMachine(name: string, { clock, log, moved }: Given): StateMachine<FrontendState> {
  const subject = `frontend "${name}"`;
  return new StateMachine({ subject, event: "frontend state", initial: "stopped", moves: MOVES, clock, log, moved });
}
