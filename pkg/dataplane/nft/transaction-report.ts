import type { Clock } from "../../clock/clock.ts";
import type { TransactionListener } from "../dataplane.ts";
import type { Generation } from "./generation.ts";

/** Tells of each own transaction how long it took, and whether it failed. */
export class TransactionReport {
  listener: TransactionListener = () => undefined;
  readonly #clock: Clock;
  readonly #generation: Pick<Generation, "own">;

  constructor(clock: Clock, generation: Pick<Generation, "own">) {
    this.#clock = clock;
    this.#generation = generation;
  }

  /** Runs an own transaction that may fail without anybody being told, since there is another way. False: it failed. */
  async attempt(transaction: () => void): Promise<boolean> {
    const begun = this.#clock.now();
    const isDone = await this.#generation
      .own(() => Promise.resolve().then(transaction))
      .then(
        () => true,
        () => false,
      );
    if (isDone) this.listener(this.#clock.now() - begun);
    return isDone;
  }

  /** Runs an own transaction. */
  async own<T>(transaction: () => Promise<T>): Promise<T> {
    const begun = this.#clock.now();
    try {
      const result = await this.#generation.own(transaction);
      this.listener(this.#clock.now() - begun);
      return result;
    } catch (error) {
      this.listener(this.#clock.now() - begun, error);
      throw error;
    }
  }
}
