/** A kind of fault, and what it takes to make one. */
import type { Explanation, FaultKind } from "./ledger.ts";
import type { Stage } from "./stage.ts";

export interface Fault extends FaultKind {
  /** Faults of one group don't happen at once; one that is alone happens with no other. */
  readonly group: "alone" | "configuration" | "tables" | "services" | "system";
  /** Another daemon is there afterwards. */
  readonly endsDaemon?: true;
  /** Resolves when it is over. `concerns` is told whom it concerns, if not all. @throws what should not be */
  run(stage: Stage, concerns: (...targets: string[]) => void): Promise<void>;
}

/** The packet path is not there, or not whole. */
export const BROKEN: Explanation = { results: ["refused", "reset", "eof", "timeout", "unreachable", "late", "resent"] };
/** Something takes its time, and nothing is lost. */
export const LATE: Explanation = { results: ["late"] };
