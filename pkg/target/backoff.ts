import type { Clock } from "../clock/clock.ts";

const FIRST_MS = 1000;
const LONGEST_MS = 60_000;

/** The growing delay before the next try: 1 s after the first failure, doubling up to 1 min, reset by success. */
export class Backoff {
  readonly #clock: Clock;
  #delayMs = 0;
  #until = -Infinity;
  #succeededAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds left before the next try; 0: now. */
  remaining(): number {
    return Math.max(0, this.#until - this.#clock.now());
  }

  /** It worked. What counts as success is that it goes on: a failure within the last delay is one more of the row. */
  succeeded(): void {
    this.#succeededAt = this.#clock.now();
    this.#until = -Infinity;
  }

  /** It failed, or ended by itself after it had worked. Returns the delay in ms. */
  failed(): number {
    const lasted = this.#succeededAt !== undefined && this.#clock.now() - this.#succeededAt >= this.#delayMs;
    this.#succeededAt = undefined;
    this.#delayMs = lasted || this.#delayMs === 0 ? FIRST_MS : Math.min(this.#delayMs * 2, LONGEST_MS);
    this.#until = this.#clock.now() + this.#delayMs;
    return this.#delayMs;
  }

  /** It was ended in order, so nothing counts against it. */
  reset(): void {
    this.#delayMs = 0;
    this.#until = -Infinity;
    this.#succeededAt = undefined;
  }
}
