import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { type MachineSort, type MoveListener, StateMachine } from "../state/state-machine.ts";
import type { TargetHistory } from "./target-history.ts";

export type TargetState = "inactive" | "warming" | "active" | "draining" | "closed";

const SORT: MachineSort<TargetState> = {
  noun: "target",
  initial: "inactive",
  moves: {
    inactive: ["warming", "closed"],
    warming: ["active", "inactive"],
    // straight to inactive: the service died
    active: ["draining", "inactive"],
    // back to active: the drain was called off
    draining: ["inactive", "active"],
    closed: [],
  },
};

/** What its surroundings give a machine. */
interface Given {
  readonly clock: Clock;
  readonly log: Log;
  readonly moved?: MoveListener<TargetState>;
}

/** Its moves are noted in `history`. */
export function targetMachine(name: string, { clock, log, moved }: Given, history: TargetHistory): StateMachine<TargetState> {
  return new StateMachine({
    sort: SORT,
    name,
    clock,
    log,
    moved: (from, to, fields) => {
      history.moved(from, to, fields);
      moved?.(from, to, fields);
    },
  });
}
