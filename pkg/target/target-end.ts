import type { Ending } from "../config/types.ts";
import { Fault } from "../fault/fault.ts";

const CLOSING = new Fault("TARGET_CLOSED", "the target is being closed");

/** Whether a target is to end, and how. Its answers are methods, since they change while the caller waits. */
export class TargetEnd {
  #isClosed = false;
  /** Made when somebody waits: there are thousands of targets, and few of them have anything to wait for. */
  #closing: AbortController | undefined;
  #retired = false;
  #how: Ending = "stop";

  /** To be made anew: never warmed again, while its clients wait for the next one. */
  retire(): void {
    this.#retired = true;
  }

  /** For good. */
  close(how: Ending): void {
    this.#how = how;
    this.#isClosed = true;
    this.#closing?.abort(CLOSING);
  }

  isRetired(): boolean {
    return this.#retired;
  }

  isClosing(): boolean {
    return this.#isClosed;
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
    if (this.#closing === undefined) {
      this.#closing = new AbortController();
      if (this.#isClosed) this.#closing.abort(CLOSING);
    }
    return this.#closing.signal;
  }
}
