import type { FrontendTarget, Want } from "../../pkg/frontend/handler.ts";
import type { TargetState } from "../../pkg/target/state.ts";

/** A target that notes what a frontend asks of it, and takes the states that a test gives it. */
export class FakeFrontendTarget implements FrontendTarget {
  readonly name = "backend";
  readonly reasons: string[] = [];
  readonly sources: string[] = [];
  readonly #listeners = new Set<(state: TargetState) => void>();
  state: TargetState = "inactive";
  wants = 0;

  get listeners(): number {
    return this.#listeners.size;
  }

  warm(reason: string, source?: string): void {
    this.reasons.push(reason);
    if (source !== undefined) this.sources.push(source);
  }

  want(): Want {
    let held = true;
    this.wants++;
    return {
      release: () => {
        if (held) this.wants--;
        held = false;
      },
    };
  }

  onState(listener: (state: TargetState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  become(state: TargetState): void {
    this.state = state;
    for (const listener of this.#listeners) listener(state);
  }
}
