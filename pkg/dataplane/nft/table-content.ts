import { isWildcard } from "../../value/addr-port.ts";
import type { Family } from "../../value/protocol.ts";
import type { MappingSpec } from "../dataplane.ts";
import {
  addElementsLine,
  type Element,
  elementId,
  elementIn,
  elementText,
  exactSet,
  limitChain,
  limitParts,
  timeoutParts,
  timeoutSeconds,
  USUAL_TIMEOUT,
} from "./elements.ts";
import { addPartLines, type TablePart } from "./table-part.ts";
import { type Prepared, together } from "./transactor.ts";

/** nft's messages quote the line that they are about. */
const PER_LINE = 500;

const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];

const NO_CHANGE: Prepared = { undo: () => undefined };

/** What is in the table: elements, of which several mappings or endpoints may need the same one, and chains made on demand. */
export class TableContent {
  readonly #table: string;
  /** By set: the text of each element with the number of its users. There are tens of thousands. */
  readonly #uses = new Map<string, Map<string, number>>();
  /** Each chain with the sets and policies that it needs. */
  readonly #chains = new Map<string, readonly TablePart[]>();
  /** Families of which there is a wildcard, or was: only those have anything in `exact`, which is asked before a wildcard. */
  readonly #wildcards = new Set<Family>();
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
    if (this.#isIdle(set)) return;
    for (const text of this.#uses.get(set)?.keys() ?? []) yield elementIn(set, text);
  }

  #isIdle(set: string): boolean {
    return FAMILIES.some((family) => set === exactSet(family) && !this.#wildcards.has(family));
  }

  /** Lines that bring empty sets to where they should be, many elements in each: nft takes a third less time for them. */
  elementLines(): string[] {
    const lines: string[] = [];
    for (const [set, uses] of this.#uses) {
      if (this.#isIdle(set)) continue;
      const texts = [...uses.keys()];
      for (let at = 0; at < texts.length; at += PER_LINE)
        lines.push(addElementsLine(this.#table, set, texts.slice(at, at + PER_LINE)));
    }
    return lines;
  }

  /** One user needs `after` where it needed `before`. */
  replace(before: readonly Element[], after: readonly Element[]): Prepared {
    const gone = without(before, after);
    const come = without(after, before);
    const deleted = gone.filter((each) => this.#count(each, -1) === 0 && !this.#isIdle(each.set));
    const added = come.filter((each) => this.#count(each, 1) === 1 && !this.#isIdle(each.set));
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
    let uses = this.#uses.get(element.set);
    if (uses === undefined) this.#uses.set(element.set, (uses = new Map<string, number>()));
    const text = elementText(element);
    const users = (uses.get(text) ?? 0) + change;
    if (users === 0) uses.delete(text);
    else uses.set(text, users);
    return users;
  }

  /**
   * What is in `exact` so far, with the first mapping that has a wildcard. It stays in use: to take all of it out and in again with one
   * mapping would cost more.
   */
  needExact({ routes }: MappingSpec): Prepared {
    const families = new Set(routes.filter(({ listen }) => isWildcard(listen)).map(({ listen }) => listen.family));
    const come = [...families].filter((family) => !this.#wildcards.has(family));
    if (come.length === 0) return NO_CHANGE;
    for (const family of come) this.#wildcards.add(family);
    return {
      added: come.flatMap((family) => [...this.elementsOf(exactSet(family))]),
      undo: () => {
        for (const family of come) this.#wildcards.delete(family);
      },
    };
  }

  /**
   * The chains that a mapping's elements refer to, where they are new. They stay until the table goes: a flow that was
   * given a timeout policy loses it when that is deleted (nft_ct.c), and would then stay for the kernel's default of days.
   */
  needChains({ flowTimeoutMs, gates: { wakeLimit } }: MappingSpec): Prepared {
    const seconds = timeoutSeconds(flowTimeoutMs);
    return together([
      seconds === USUAL_TIMEOUT ? NO_CHANGE : this.#needChain(`timeout ${seconds}`, () => timeoutParts(seconds)),
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

/** Those of `elements` that are not among `others`. */
function without(elements: readonly Element[], others: readonly Element[]): readonly Element[] {
  if (elements.length === 0 || others.length === 0) return elements;
  const ids = new Set(others.map(elementId));
  return elements.filter((each) => !ids.has(elementId(each)));
}
