import type { MappingSpec } from "../dataplane.ts";
import { addLine, type Element, elementId, limitChain, limitParts, timeoutParts, timeoutSeconds } from "./elements.ts";
import { addPartLines, type TablePart } from "./table-part.ts";
import { type Prepared, together } from "./transactor.ts";

const NO_CHANGE: Prepared = { undo: () => undefined };

/** What is in the table: elements, of which several mappings or endpoints may need the same one, and chains made on demand. */
export class TableContent {
  readonly #table: string;
  /** By set: each element with the number of its users. */
  readonly #uses = new Map<string, Map<string, { readonly element: Element; readonly users: number }>>();
  /** Each chain with the sets and policies that it needs. */
  readonly #chains = new Map<string, readonly TablePart[]>();
  /** How often a chain was made or unmade: when that differs, parts() does. */
  chainsMade = 0;

  constructor(table: string) {
    this.#table = table;
  }

  /** The chains made on demand, and what they refer to. */
  parts(): TablePart[] {
    return [...this.#chains.values()].flat();
  }

  /** What is in a set or map. */
  *elementsOf(set: string): Generator<Element> {
    for (const { element } of this.#uses.get(set)?.values() ?? []) yield element;
  }

  /** Lines that bring empty sets to where they should be. */
  elementLines(): string[] {
    return [...this.#uses.values()].flatMap((uses) => [...uses.values()].map(({ element }) => addLine(this.#table, element)));
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
    const uses = this.#uses.get(element.set) ?? new Map<string, { readonly element: Element; readonly users: number }>();
    this.#uses.set(element.set, uses);
    const users = (uses.get(id)?.users ?? 0) + change;
    if (users === 0) uses.delete(id);
    else uses.set(id, { element, users });
    return users;
  }

  /**
   * The chains that a mapping's elements refer to, where they are new. They stay until the table goes: a flow that was
   * given a timeout policy loses it when that is deleted (nft_ct.c), and would then stay for the kernel's default of days.
   */
  needChains({ flowTimeoutMs, gates: { wakeLimit } }: MappingSpec): Prepared {
    const seconds = timeoutSeconds(flowTimeoutMs);
    return together([
      this.#needChain(`timeout ${seconds}`, () => timeoutParts(seconds)),
      wakeLimit === undefined ? NO_CHANGE : this.#needChain(limitChain(wakeLimit), () => limitParts(wakeLimit)),
    ]);
  }

  #needChain(name: string, parts: () => TablePart[]): Prepared {
    if (this.#chains.has(name)) return NO_CHANGE;
    const made = parts();
    this.#chains.set(name, made);
    this.chainsMade++;
    const undo = (): void => {
      this.#chains.delete(name);
      this.chainsMade++;
    };
    return { lines: addPartLines(this.#table, made), undo };
  }
}
