import { type Fault, hasCode } from "../../fault/fault.ts";
import type { DirectChange } from "./direct-change.ts";
import { addLine, deleteLine, type Element, elementId } from "./elements.ts";
import { isOutcomeUnknown, type Nft } from "./nft.ts";

/** What brings the kernel to where the driver's own picture has got. */
export interface Prepared {
  /** Sent first: what elements refer to. */
  readonly lines?: readonly string[];
  readonly deleted?: readonly Element[];
  readonly added?: readonly Element[];
  readonly undo: () => void;
}

/**
 * A change of the driver's own picture. Called only when its turn comes, so it sees the effect of every change before it; may
 * be called again after an undo.
 */
export type Change = () => Prepared;

interface Pending {
  readonly change: Change;
  readonly doing: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Work during which nobody may change anything. */
interface Alone {
  readonly work: () => Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Applies changes in order, all that are submitted in one turn of the event loop in one transaction: a process costs more
 * than a thousand elements do, and what belongs together takes effect together.
 * When a transaction with several changes fails, each is tried by itself, so that only the bad one's caller hears of it.
 * Until begin(), there is no table to change: changes take effect with it.
 *
 * An nft that was killed, or took too long, leaves open whether the kernel has its transaction: the table is then compared with
 * the picture and brought there. Should that fail too, the changes have failed, and the next one begins with it.
 */
export class Transactor {
  readonly #nft: Nft;
  readonly #table: string;
  readonly #repair: (lines: readonly string[], why: "missing" | "in doubt") => Promise<void>;
  readonly #leaving: (deleted: readonly Element[]) => Promise<(gone: boolean) => void>;
  readonly #direct: Pick<DirectChange, "apply"> | undefined;
  #pending: (Pending | Alone)[] = [];
  #running: Promise<void> | undefined;
  /** The kernel may have a transaction that it should not have. */
  #inDoubt = false;
  /** What begin() will bring; undefined once it was called. */
  #staged: Pick<Pending, "resolve" | "reject">[] | undefined = [];
  /** Why begin() will not come, or failed for good. */
  #abandoned: Fault | undefined;

  /**
   * `repair`: brings the table to where it should be by now, for when somebody else removed something, or nobody knows what the
   * kernel has. That includes what `lines` would have done. `leaving`: called before elements are deleted; what it returns, when
   * it is known whether they are gone. Must not throw. `direct`: does some changes of elements by itself.
   */
  constructor(
    nft: Nft,
    table: string,
    repair: (lines: readonly string[], why: "missing" | "in doubt") => Promise<void>,
    leaving: (deleted: readonly Element[]) => Promise<(gone: boolean) => void> = () => Promise.resolve(() => undefined),
    direct?: Pick<DirectChange, "apply">,
  ) {
    this.#nft = nft;
    this.#table = table;
    this.#repair = repair;
    this.#leaving = leaving;
    this.#direct = direct;
  }

  /** Resolves when the kernel has it. `doing` completes "nft could not …". @throws Fault NFT_…; nothing changed then */
  submit(change: Change, doing: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#staged === undefined) {
        this.#pending.push({ change, doing, resolve, reject });
        this.#running ??= this.#run();
      } else if (this.#abandoned !== undefined) {
        reject(this.#abandoned);
      } else {
        change();
        this.#staged.push({ resolve, reject });
      }
    });
  }

  /** After begin(): runs `work` when its turn comes; changes that are submitted meanwhile wait. @throws what it throws */
  alone(work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ work, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /**
   * Lets `apply` bring all that was submitted so far, by way of the driver's picture. Called once. @throws what `apply` does; who
   * submitted hears of it with abandon()
   */
  async begin(apply: () => Promise<void>): Promise<void> {
    const staged = this.#staged ?? [];
    this.#staged = undefined;
    // what is submitted from now on waits for its end
    const applied = Promise.resolve().then(apply);
    this.#running = applied;
    try {
      await applied;
    } catch (error) {
      // there is no table to change for those either who came meanwhile
      this.#staged = [...staged, ...this.#pending.splice(0)];
      this.#running = undefined;
      if (this.#abandoned !== undefined) this.abandon(this.#abandoned);
      throw error;
    }
    for (const { resolve } of staged) resolve();
    this.#running = this.#pending.length === 0 ? undefined : this.#run();
  }

  /** What waits for begin(), which failed or will not come, fails with `reason`, and so does what is still submitted. */
  abandon(reason: Fault): void {
    this.#abandoned = reason;
    for (const { reject } of this.#staged?.splice(0) ?? []) reject(reason);
  }

  async #run(): Promise<void> {
    // when this turn is over, so that all that is submitted in it shares a transaction
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#pending.length > 0) {
      const [first] = this.#pending;
      if (first !== undefined && "work" in first) {
        this.#pending.shift();
        await first.work().then(first.resolve, first.reject);
        continue;
      }
      const batch = this.#takeChanges();
      if (await this.#attempt(batch)) continue;
      for (const one of batch) await this.#attempt([one]);
    }
    this.#running = undefined;
  }

  /** All that wait before the next work that is to be done alone. */
  #takeChanges(): Pending[] {
    const batch: Pending[] = [];
    for (const each of this.#pending) {
      if ("work" in each) break;
      batch.push(each);
    }
    this.#pending = this.#pending.slice(batch.length);
    return batch;
  }

  /** False: it failed, was undone, and should be tried one by one. */
  async #attempt(batch: readonly Pending[]): Promise<boolean> {
    const prepared: Prepared[] = [];
    try {
      for (const { change } of batch) prepared.push(change());
      const { deleted, added } = netChange(prepared);
      const first = prepared.flatMap((each) => each.lines ?? []);
      const lines = [
        ...first,
        // first: a key may be given another value
        ...deleted.map((each) => deleteLine(this.#table, each)),
        ...added.map((each) => addLine(this.#table, each)),
      ];
      const isDone = first.length === 0 && !this.#inDoubt && (await this.#direct?.apply(deleted, added)) === true;
      if (!isDone && (lines.length > 0 || this.#inDoubt)) await this.#applyCounted(deleted, lines, batch[0]?.doing ?? "");
    } catch (error) {
      for (const { undo } of prepared.reverse()) undo();
      // of what nft came to no end with, no change is to blame; and to wait for each by itself would take too long
      if (batch.length > 1 && !this.#inDoubt) return false;
      for (const { reject } of batch) reject(error);
      return true;
    }
    for (const { resolve } of batch) resolve();
    return true;
  }

  async #applyCounted(deleted: readonly Element[], lines: readonly string[], doing: string): Promise<void> {
    const told = await this.#leaving(deleted);
    try {
      await this.#apply(lines, doing);
    } catch (error) {
      told(false);
      throw error;
    }
    told(true);
  }

  async #apply(lines: readonly string[], doing: string): Promise<void> {
    if (!this.#inDoubt) {
      try {
        await this.#nft.apply(`${lines.join("\n")}\n`, doing);
        return;
      } catch (error) {
        // whatever it is that is not there: the picture says how it should be, this change included
        if (hasCode(error, "NFT_NOT_FOUND")) {
          await this.#repair(lines, "missing");
          return;
        }
        if (!isOutcomeUnknown(error)) throw error;
        this.#inDoubt = true;
      }
    }
    await this.#repair(lines, "in doubt");
    this.#inDoubt = false;
  }
}

/** One after the other, as one. */
export function together(prepared: readonly Prepared[]): Prepared {
  return {
    lines: prepared.flatMap(({ lines = [] }) => lines),
    deleted: prepared.flatMap(({ deleted = [] }) => deleted),
    added: prepared.flatMap(({ added = [] }) => added),
    undo: () => {
      for (const { undo } of prepared.toReversed()) undo();
    },
  };
}

/** What one change deletes and another adds is left alone. */
function netChange(prepared: readonly Prepared[]): { readonly deleted: readonly Element[]; readonly added: readonly Element[] } {
  const net = new Map<string, { readonly element: Element; readonly change: number }>();
  const count = (element: Element, by: number): void => {
    const id = elementId(element);
    net.set(id, { element, change: (net.get(id)?.change ?? 0) + by });
  };
  for (const { deleted = [], added = [] } of prepared) {
    for (const each of deleted) count(each, -1);
    for (const each of added) count(each, 1);
  }
  const changes = [...net.values()];
  return {
    deleted: changes.filter(({ change }) => change < 0).map(({ element }) => element),
    added: changes.filter(({ change }) => change > 0).map(({ element }) => element),
  };
}
