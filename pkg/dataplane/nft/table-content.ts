import type { MappingSpec } from "../dataplane.ts";
import { addLine, type Element, elementId, limitChain, limitLines, timeoutLines, timeoutSeconds } from "./elements.ts";
import type { Prepared } from "./transactor.ts";

const NO_CHANGE: Prepared = { undo: () => undefined };

/** What is in the table: elements, of which several mappings or endpoints may need the same one, and chains made on demand. */
export class TableContent {
  readonly #table: string;
  /** Each element with the number of its users. */
  readonly #uses = new Map<string, { readonly element: Element; readonly users: number }>();
  /** The lines that made each chain. */
  readonly #chains = new Map<string, readonly string[]>();

  constructor(table: string) {
    this.#table = table;
  }

  /** What brings an empty table to where it should be. */
  all(): string[] {
    const elements = [...this.#uses.values()].map(({ element }) => addLine(this.#table, element));
    return [...[...this.#chains.values()].flat(), ...elements];
  }

  /** One user needs `after` where it needed `before`. */
  replace(before: readonly Element[], after: readonly Element[]): Prepared {
    const kept = new Set(before.map(elementId));
    const wanted = new Set(after.map(elementId));
    const gone = before.filter((each) => !wanted.has(elementId(each)));
    const come = after.filter((each) => !kept.has(elementId(each)));
    const deleted = gone.filter((each) => this.#count(each, -1) === 0);
    const added = come.filter((each) => this.#count(each, 1) === 1);
    return {
      deleted,
      added,
      undo: () => {
        for (const each of come) this.#count(each, -1);
        for (const each of gone) this.#count(each, 1);
      },
    };
  }

  #count(element: Element, change: 1 | -1): number {
    const id = elementId(element);
    const users = (this.#uses.get(id)?.users ?? 0) + change;
    if (users === 0) this.#uses.delete(id);
    else this.#uses.set(id, { element, users });
    return users;
  }

  /**
   * The chains that a mapping's elements refer to, where they are new. They stay until the table goes: a flow that was
   * given a timeout policy loses it when that is deleted (nft_ct.c), and would then stay for the kernel's default of days.
   */
  needChains({ flowTimeoutMs, gates: { wakeLimit } }: MappingSpec): Prepared {
    const seconds = timeoutSeconds(flowTimeoutMs);
    const changes = [
      this.#needChain(`timeout ${seconds}`, () => timeoutLines(this.#table, seconds)),
      wakeLimit === undefined ? NO_CHANGE : this.#needChain(limitChain(wakeLimit), () => limitLines(this.#table, wakeLimit)),
    ];
    return {
      lines: changes.flatMap(({ lines }) => lines ?? []),
      undo: () => {
        for (const { undo } of changes) undo();
      },
    };
  }

  #needChain(name: string, lines: () => string[]): Prepared {
    if (this.#chains.has(name)) return NO_CHANGE;
    const made = lines();
    this.#chains.set(name, made);
    return { lines: made, undo: () => this.#chains.delete(name) };
  }
}
