import type { RulesetReader } from "../../netlink/netlink.ts";
import type { Element } from "./elements.ts";
import { bytesOf, keyIdOf, KEYS } from "./key.ts";
import type { TransactionReport } from "./transaction-report.ts";

/** Sets of keys alone, which waking and draining change. */
const PLAIN: ReadonlySet<string> = new Set(KEYS.map(({ suffix }) => `hold${suffix}`));
const MOST = 100;

/**
 * What a wake or a drain changes, without the nft program: while its process starts, reads all that is in nftables and ends, a
 * machine of few cores has no time for the client that was let go, whose answer is under way.
 */
export class DirectChange {
  readonly #table: string;
  readonly #transactions: Pick<TransactionReport, "attempt">;
  #editor: Pick<RulesetReader, "edit"> | undefined;

  constructor(table: string, transactions: Pick<TransactionReport, "attempt">) {
    this.#table = table;
    this.#transactions = transactions;
  }

  /** Without it, nothing is for this. */
  open(editor: Pick<RulesetReader, "edit">): void {
    this.#editor = editor;
  }

  /** False: it is not for this, or failed; nothing changed then, and nft, when given the same, says what is wrong. */
  async apply(deleted: readonly Element[], added: readonly Element[]): Promise<boolean> {
    const editor = this.#editor;
    const all = [...deleted, ...added];
    if (editor === undefined || all.length === 0 || all.length > MOST || !all.every(({ set }) => PLAIN.has(set))) return false;
    const edits = all.map(({ set, key }, at) => ({ add: at >= deleted.length, set, key: bytesOf(keyIdOf(key)) }));
    return this.#transactions.attempt(() => {
      editor.edit(this.#table, edits);
    });
  }
}
