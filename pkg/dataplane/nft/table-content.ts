import { addLine, deleteLine, type Element, timeoutLines, timeoutSeconds } from "./elements.ts";

/** What groups share in the table: elements used by several of them, and chains of flow timeouts. */
export class TableContent {
  readonly #table: string;
  /** Users of each endpoint element: two targets may have the same endpoint. */
  readonly #uses = new Map<string, number>();
  readonly #timeouts = new Set<number>();

  constructor(table: string) {
    this.#table = table;
  }

  /** Counts one more user of each element; returns the lines that the first ones need. */
  use(elements: readonly Element[]): string[] {
    return elements.flatMap((element) => {
      const users = this.#count(element, 1);
      return users === 1 ? [addLine(this.#table, element)] : [];
    });
  }

  /** The reverse of use(). */
  unuse(elements: readonly Element[]): string[] {
    return elements.flatMap((element) => {
      const users = this.#count(element, -1);
      return users === 0 ? [deleteLine(this.#table, element)] : [];
    });
  }

  #count(element: Element, change: 1 | -1): number {
    const id = `${element.set} ${element.key}`;
    const users = (this.#uses.get(id) ?? 0) + change;
    if (users === 0) this.#uses.delete(id);
    else this.#uses.set(id, users);
    return users;
  }

  /**
   * The lines that make the chain of a flow timeout, if it is new. Chains stay until the table goes: a flow that was
   * given a policy loses it when that is deleted (nft_ct.c), and would then stay for the kernel's default of days.
   */
  needTimeout(flowTimeoutMs: number): { lines: string[]; undo: () => void } {
    const seconds = timeoutSeconds(flowTimeoutMs);
    if (this.#timeouts.has(seconds)) return { lines: [], undo: () => undefined };
    this.#timeouts.add(seconds);
    return { lines: timeoutLines(this.#table, seconds), undo: () => this.#timeouts.delete(seconds) };
  }
}
