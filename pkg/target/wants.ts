import { Fault } from "../fault/fault.ts";

/** Who wants a target to stay up. */
export class Wants {
  // made when they are needed: there are thousands of targets, and nobody wants most of them
  #parties: Map<symbol, string> | undefined;
  #waiting: Set<() => void> | undefined;

  /** Adds a party; the returned function takes it away again, and is idempotent. */
  add(party: string): () => void {
    const key = Symbol(party);
    const parties = (this.#parties ??= new Map<symbol, string>());
    parties.set(key, party);
    return () => {
      if (!parties.delete(key) || parties.size > 0) return;
      for (const wake of [...(this.#waiting ?? [])]) wake();
    };
  }

  /** One of the parties; undefined: nobody. */
  first(): string | undefined {
    return this.#parties?.values().next().value;
  }

  /** Why the target is not to be drained; undefined: nothing is known against it. */
  objection(target: string): Fault | undefined {
    const party = this.first();
    if (party === undefined) return undefined;
    const message = `"${target}" is wanted by the running frontend "${party}": stop that first (proxygwctl stop ${party})`;
    return new Fault("TARGET_WANTED", message);
  }

  /** The parties, each once. */
  all(): string[] {
    return [...new Set(this.#parties?.values())];
  }

  /** Resolves as soon as there is nobody. @throws the signal's reason */
  async none(signal: AbortSignal): Promise<void> {
    while (this.first() !== undefined) {
      const waiting = (this.#waiting ??= new Set());
      await new Promise<void>((resolve, reject) => {
        const end = (settle: () => void) => (): void => {
          waiting.delete(onNone);
          signal.removeEventListener("abort", onAbort);
          settle();
        };
        const onNone = end(resolve);
        const onAbort = end(() => {
          reject(signal.reason as Error);
        });
        waiting.add(onNone);
        if (signal.aborted) onAbort();
        else signal.addEventListener("abort", onAbort, { once: true });
      });
    }
  }
}
