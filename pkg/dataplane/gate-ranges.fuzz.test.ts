import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { parseCidr } from "../value/cidr.ts";
import { gateRanges, type Range } from "./gate-ranges.ts";

/** Blocks within 16 addresses, so that they overlap and touch each other in every way. */
const cidr = fc.tuple(fc.nat(15), fc.integer({ min: 28, max: 32 })).map(([address, prefix]) => {
  const size = 2 ** (32 - prefix);
  return parseCidr(`0.0.0.${Math.floor(address / size) * size}/${prefix}`);
});
const list = fc.array(cidr, { maxLength: 4 });

fuzz("each address has one fate: denied before ignored, and nothing without gates", fc.tuple(list, list, list), (lists) => {
  const [allow, deny, ignore] = lists;
  const { denied, ignored } = gateRanges({ allow, deny, ignore }, "ipv4");
  for (let host = 0n; host < 16n; host++) {
    const inside = (ranges: readonly Range[]): boolean => ranges.some(({ first, last }) => first <= host && host <= last);
    const isDenied = inside(deny) || (allow.length > 0 && !inside(allow));
    assert.equal(inside(denied), isDenied);
    assert.equal(inside(ignored), !isDenied && inside(ignore));
  }
  for (const ranges of [denied, ignored]) {
    for (const [at, { first }] of ranges.entries()) assert.ok(at === 0 || first > (ranges[at - 1]?.last ?? 0n) + 1n);
  }
});
