import type { TargetState } from "../target/state.ts";
import type { Target } from "../target/target.ts";
import type { FrontendTarget, Want } from "./handler.ts";

const NOTHING: Want = { release: () => undefined };

/** What a frontend's handler may see and ask of the target, for as long as the frontend runs. */
export class TargetView implements FrontendTarget {
  readonly #target: Target;
  readonly #frontend: string;
  readonly #hasEnded: () => boolean;
  /** What the handler asked for and has not given back. Made when it does: of thousands of frontends, most only warm. */
  #releases: Set<() => void> | undefined;

  /** `hasEnded`: the frontend neither starts nor runs. */
  constructor(target: Target, frontend: string, hasEnded: () => boolean) {
    this.#target = target;
    this.#frontend = frontend;
    this.#hasEnded = hasEnded;
  }

  get name(): string {
    return this.#target.name;
  }

  get state(): TargetState {
    return this.#target.state;
  }

  warm(reason: string, source?: string): void {
    if (this.#hasEnded()) return;
    this.#target.signal({ reason, frontend: this.#frontend, ...(source === undefined ? {} : { source }) });
  }

  want(): Want {
    return this.#hasEnded() ? NOTHING : { release: this.#track(this.#target.wants.add(this.#frontend)) };
  }

  onState(listener: (state: TargetState) => void): () => void {
    return this.#track(this.#target.onState(listener));
  }

  /** Gives back what the handler did not. */
  releaseAll(): void {
    for (const release of [...(this.#releases ?? [])]) release();
  }

  #track(release: () => void): () => void {
    const releases = (this.#releases ??= new Set());
    const once = (): void => {
      if (releases.delete(once)) release();
    };
    releases.add(once);
    return once;
  }
}
