import { Fault } from "../../fault/fault.ts";
import type { RulesetReader } from "../../netlink/netlink.ts";

/**
 * Tells changes of nftables that others made from the daemon's own, by counting: each transaction raises the generation of the
 * ruleset by one, so a step of one around an own transaction is that, and any other is somebody else's too.
 */
export class Generation {
  #reader: Pick<RulesetReader, "generation"> | undefined;
  /** The last one that was looked at, or is the daemon's own. */
  #known: number | undefined;

  /** From now on they are counted. */
  open(reader: Pick<RulesetReader, "generation">): void {
    this.#reader = reader;
  }

  /** @throws Fault RULESET_FAILED */
  now(): number {
    if (this.#reader === undefined) throw new Fault("RULESET_FAILED", "nftables is not looked at");
    return this.#reader.generation();
  }

  /** True from the beginning, until somebody has looked(). @throws Fault RULESET_FAILED */
  isForeign(): boolean {
    return this.now() !== this.#known;
  }

  /** All was well in `generation`. */
  looked(generation: number): void {
    this.#known = generation;
  }

  /** Runs an own transaction. */
  async own<T>(transaction: () => Promise<T>): Promise<T> {
    const before = this.#known;
    const clean = this.#read() === before;
    try {
      return await transaction();
    } finally {
      const after = this.#read();
      if (clean && before !== undefined && after === (before + 1) >>> 0) this.#known = after;
    }
  }

  /** A transaction does not depend on it: where it cannot be told, it is somebody else's, and is looked into. */
  #read(): number | undefined {
    try {
      return this.now();
    } catch {
      return undefined;
    }
  }
}
