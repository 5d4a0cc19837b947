import { hasCode } from "../../fault/fault.ts";
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
  readonly #remake: () => Promise<void>;
  #pending: Pending[] = [];
  #running: Promise<void> | undefined;

  /** `remake`: makes the whole table as it should be by now, for when somebody else removed it. */
  constructor(nft: Nft, remake: () => Promise<void>) {
    this.#nft = nft;
    this.#remake = remake;
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
      if (lines.length > 0) await this.#apply(lines, batch[0]?.doing ?? "");
    } catch (error) {
      for (const undo of undos.reverse()) undo();
      if (batch.length > 1) return false;
      for (const { reject } of batch) reject(error);
      return true;
    }
    for (const { resolve } of batch) resolve();
    return true;
  }

  async #apply(lines: readonly string[], doing: string): Promise<void> {
    try {
      await this.#nft.apply(`${lines.join("\n")}\n`, doing);
    } catch (error) {
      // whatever it is that is not there: the picture says how it should be, this change included
      if (!hasCode(error, "NFT_NOT_FOUND")) throw error;
      await this.#remake();
    }
  }
}
