import type { Nft } from "./nft.ts";

/**
 * A change of the driver's own picture, with the lines that bring the kernel there. Called only when its turn comes,
 * so it sees the effect of every change before it; may be called again after an undo.
 */
export type Change = () => { readonly lines: readonly string[]; readonly undo: () => void };

interface Pending {
  readonly change: Change;
  readonly doing: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Applies changes in order, all that wait in one transaction: a process costs more than a thousand elements do.
 * When a transaction with several changes fails, each is tried by itself, so that only the bad one's caller hears of it.
 */
export class Transactor {
  readonly #nft: Nft;
  #pending: Pending[] = [];
  #running: Promise<void> | undefined;

  constructor(nft: Nft) {
    this.#nft = nft;
  }

  /** Resolves when the kernel has it. `doing` completes "nft could not …". @throws Fault NFT_…; nothing changed then */
  submit(change: Change, doing: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ change, doing, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    // one turn later, so that what is submitted in this turn shares a transaction
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      if (await this.#attempt(batch)) continue;
      for (const one of batch) await this.#attempt([one]);
    }
    this.#running = undefined;
  }

  /** False: it failed, was undone, and should be tried one by one. */
  async #attempt(batch: readonly Pending[]): Promise<boolean> {
    const undos: (() => void)[] = [];
    try {
      const lines: string[] = [];
      for (const { change } of batch) {
        const prepared = change();
        undos.push(prepared.undo);
        lines.push(...prepared.lines);
      }
      if (lines.length > 0) await this.#nft.apply(`${lines.join("\n")}\n`, batch[0]?.doing ?? "");
    } catch (error) {
      for (const undo of undos.reverse()) undo();
      if (batch.length > 1) return false;
      for (const { reject } of batch) reject(error);
      return true;
    }
    for (const { resolve } of batch) resolve();
    return true;
  }
}
