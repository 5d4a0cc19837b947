import type { MoveFields } from "../state/state-machine.ts";
import type { TargetState } from "./state.ts";
import type { Wake } from "./wake.ts";

/** What has become of a target since the daemon's start; it is handed on when the target is made anew. */
export class TargetHistory {
  #lastWake: Wake | undefined;
  #wakes = 0;
  #drains = 0;
  #failures = 0;

  /** The last one. */
  get lastWake(): Wake | undefined {
    return this.#lastWake;
  }

  /** Times that it became active on request. */
  get wakes(): number {
    return this.#wakes;
  }

  get drains(): number {
    return this.#drains;
  }

  /** Times that it failed to start, or ended by itself. */
  get failures(): number {
    return this.#failures;
  }

  woke(wake: Wake): void {
    this.#lastWake = wake;
    this.#wakes++;
  }

  moved(from: TargetState, to: TargetState, { retry_in_ms: delay }: MoveFields): void {
    if (to !== "inactive") return;
    // only what counts as a failure is followed by a delay
    if (delay !== undefined) this.#failures++;
    else if (from === "draining") this.#drains++;
  }
}
