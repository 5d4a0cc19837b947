import type { Ending } from "../config/types.ts";

/** Whether a target is to end, and how. Its answers are methods, since they change while the caller waits. */
export class TargetEnd {
  readonly #closing = new AbortController();
  #retired = false;
  #how: Ending = "stop";

  /** To be made anew: never warmed again, while its clients wait for the next one. */
  retire(): void {
    this.#retired = true;
  }

  /** For good. */
  close(how: Ending): void {
    this.#how = how;
    this.#closing.abort();
  }

  isRetired(): boolean {
    return this.#retired;
  }

  isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Whether it is not to be warmed any more. */
  isNear(): boolean {
    return this.#retired || this.isClosing();
  }

  /** Whether held clients are somebody else's to serve: the next target's, or the next daemon's. */
  leavesHeld(): boolean {
    return this.#retired || this.#how === "keep";
  }

  isWith(how: Ending): boolean {
    return this.#how === how;
  }

  /** Aborts when it is being closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }
}
