/** What differs between the table as it should be and as it is: how it is put right, and in words. Pure functions. */
import { addLine, deleteLine, type Element } from "./elements.ts";
import { addPartLines, declarationLine, ruleLines, type TablePart } from "./table-part.ts";
import type { PartsDifference } from "./table-picture.ts";

export interface ElementsDifference {
  readonly missing: readonly Element[];
  /** Also those that lead elsewhere; what they should be is missing then. */
  readonly extra: readonly Element[];
}

export interface TableDifference {
  readonly parts: PartsDifference;
  readonly elements: ElementsDifference;
}

export function isNone({ parts, elements }: TableDifference): boolean {
  const { missing, otherRules, otherKind, extraChains } = parts;
  const lists: (readonly unknown[])[] = [missing, otherRules, otherKind, extraChains, elements.missing, elements.extra];
  return lists.every(({ length }) => length === 0);
}

/** The lines that put it right; undefined: only a new table does. */
export function repairLines(table: string, { parts, elements }: TableDifference): string[] | undefined {
  const { missing, otherRules, otherKind, extraChains } = parts;
  // a set or policy cannot be replaced while rules refer to it
  if (otherKind.some(({ kind }) => kind !== "chain")) return undefined;
  const emptied = [...[...otherRules, ...otherKind].map(({ name }) => name), ...extraChains];
  const deleted = [...otherKind.map(({ name }) => name), ...extraChains];
  return [
    ...emptied.map((name) => `flush chain inet ${table} ${name}`),
    ...deleted.map((name) => `delete chain inet ${table} ${name}`),
    ...[...missing, ...otherKind].map((part) => declarationLine(table, part)),
    ...[...missing, ...otherKind, ...otherRules].flatMap((part) => ruleLines(table, part)),
    ...elements.extra.map((each) => deleteLine(table, each)),
    ...elements.missing.map((each) => addLine(table, each)),
  ];
}

/** The difference without what `lines`, a transaction that did not come about, would have done. */
export function without(lines: readonly string[], table: string, { parts, elements }: TableDifference): TableDifference {
  const own = new Set(lines);
  const isOwn = (part: TablePart): boolean => addPartLines(table, [part]).some((line) => own.has(line));
  return {
    parts: { ...parts, missing: parts.missing.filter((part) => !isOwn(part)) },
    elements: {
      missing: elements.missing.filter((each) => !own.has(addLine(table, each))),
      extra: elements.extra.filter((each) => !own.has(deleteLine(table, each))),
    },
  };
}

/** For the log: what somebody else did to the table. */
export function describe({ parts, elements }: TableDifference): {
  readonly removed?: string;
  readonly changed?: string;
  readonly added?: string;
} {
  const named = (each: readonly TablePart[]): string[] => each.map(({ kind, name }) => `${kind} ${name}`);
  const removed = [...named(parts.missing), ...elementsText(elements.missing)];
  const changed = [...parts.otherRules.map(({ name }) => `rules of ${name}`), ...named(parts.otherKind)];
  const added = [...parts.extraChains.map((name) => `chain ${name}`), ...elementsText(elements.extra)];
  return {
    ...(removed.length === 0 ? {} : { removed: listed(removed) }),
    ...(changed.length === 0 ? {} : { changed: listed(changed) }),
    ...(added.length === 0 ? {} : { added: listed(added) }),
  };
}

/** How many things are named one by one. */
const NAMED = 5;

function elementsText(elements: readonly Element[]): string[] {
  return elements.map(({ set, key, value }) => `${key}${value === undefined ? "" : ` : ${value}`} of ${set}`);
}

function listed(texts: readonly string[]): string {
  const named = texts.slice(0, NAMED).join(", ");
  return texts.length > NAMED ? `${named} and ${String(texts.length - NAMED)} more` : named;
}
