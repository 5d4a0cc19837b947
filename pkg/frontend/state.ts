import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { type MachineSort, type MoveListener, StateMachine } from "../state/state-machine.ts";

export type FrontendState = "stopped" | "starting" | "running" | "stopping" | "closed";

const SORT: MachineSort<FrontendState> = {
  noun: "frontend",
  initial: "stopped",
  moves: {
    stopped: ["starting", "closed"],
    starting: ["running", "stopped"],
    running: ["stopping"],
    stopping: ["stopped"],
    closed: [],
  },
};

/** What its surroundings give a machine. */
interface Given {
  readonly clock: Clock;
  readonly log: Log;
  readonly moved?: MoveListener<FrontendState> | undefined;
}

export function frontendMachine(name: string, { clock, log, moved }: Given): StateMachine<FrontendState> {
  return new StateMachine({ sort: SORT, name, clock, log, moved });
}
