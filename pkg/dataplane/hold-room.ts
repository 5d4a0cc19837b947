/** A packet takes as much room as it has of these. */
const BYTES = 2048;
/** All that the kernel's queue is long, less what has come but has not been looked at yet. */
const ROOM = 32_768;

/**
 * How much the kernel may keep for all mappings together. Each may take as much as it leaves to the others: half of it
 * when it is the only one, a third when another does the same. So whoever floods one mapping keeps no other from being
 * woken, and takes a bounded amount of memory, however large the packets are.
 */
export class HoldRoom {
  #left = ROOM;

  /** Room for a packet of so many bytes, for someone who has taken `own` already; undefined: there is none. */
  take(bytes: number, own: number): number | undefined {
    const needed = Math.max(1, Math.ceil(bytes / BYTES));
    if (own + needed > this.#left - needed) return undefined;
    this.#left -= needed;
    return needed;
  }

  give(taken: number): void {
    this.#left += taken;
  }
}
