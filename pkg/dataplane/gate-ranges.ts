import type { GatesConfig } from "../config/types.ts";
import { type Cidr, wholeFamily } from "../value/cidr.ts";
import type { Family } from "../value/protocol.ts";

/** Source addresses, first and last included. */
export interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

/** What the gates make of the source addresses of a family: sorted ranges that do not touch each other. */
export interface GateRanges {
  readonly denied: readonly Range[];
  /** Those to ignore that are not denied. */
  readonly ignored: readonly Range[];
}

export function gateRanges(gates: GatesConfig, family: Family): GateRanges {
  const of = (cidrs: readonly Cidr[]): Range[] => merge(cidrs.filter((each) => each.family === family));
  const whole = wholeFamily(family);
  const disallowed = gates.allow.length === 0 ? [] : subtract([whole], of(gates.allow));
  const denied = merge([...of(gates.deny), ...disallowed]);
  return { denied, ignored: subtract(of(gates.ignore), denied) };
}

/** Sorted, overlapping and adjacent ones made one. */
function merge(ranges: readonly Range[]): Range[] {
  const merged: { first: bigint; last: bigint }[] = [];
  for (const { first, last } of [...ranges].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const previous = merged.at(-1);
    if (previous !== undefined && first <= previous.last + 1n) previous.last = last > previous.last ? last : previous.last;
    else merged.push({ first, last });
  }
  return merged;
}

/** What is left of `from` without `holes`; both as merge() gives them. */
function subtract(from: readonly Range[], holes: readonly Range[]): Range[] {
  return from.flatMap((range) => {
    const left: Range[] = [];
    let { first } = range;
    for (const hole of holes) {
      if (hole.last < first || hole.first > range.last) continue;
      if (hole.first > first) left.push({ first, last: hole.first - 1n });
      first = hole.last + 1n;
    }
    if (first <= range.last) left.push({ first, last: range.last });
    return left;
  });
}
