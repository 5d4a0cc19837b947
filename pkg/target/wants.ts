/** Who wants a target to stay up. */
export class Wants {
  readonly #parties = new Map<symbol, string>();
  #waiting: (() => void)[] = [];

  /** Adds a party; the returned function takes it away again, and is idempotent. */
  add(party: string): () => void {
    const key = Symbol(party);
    this.#parties.set(key, party);
    return () => {
      if (!this.#parties.delete(key) || this.#parties.size > 0) return;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const wake of waiting) wake();
    };
  }

  /** One of the parties; undefined: nobody. */
  first(): string | undefined {
    return this.#parties.values().next().value;
  }

  /** Resolves as soon as there is nobody. @throws the signal's reason */
  async none(signal: AbortSignal): Promise<void> {
    while (this.#parties.size > 0) {
      await new Promise<void>((resolve, reject) => {
        const onAbort = (): void => {
          reject(signal.reason as Error);
        };
        this.#waiting.push(() => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        });
        if (signal.aborted) onAbort();
        else signal.addEventListener("abort", onAbort, { once: true });
      });
    }
  }
}
