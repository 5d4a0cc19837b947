/**
 * Package serial: one thing after another.
 *
 * Owns the order of work on one resource. Must not know what the work is, and keeps no failure: it goes to its caller.
 */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` when all that was given before has ended, and settles as it does. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
