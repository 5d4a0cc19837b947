import { describe as suite, expect, it } from "vitest";
import type { ElementContent, RulesetPart } from "../../netlink/netlink.ts";
import { describe, isNone, repairLines, type TableDifference, without } from "./table-difference.ts";
import { chainPart, mapPart, setPart } from "./table-part.ts";
import { elementOf, layoutOf, PartMemory } from "./table-picture.ts";

const NOTHING: TableDifference = {
  parts: { missing: [], otherRules: [], otherKind: [], extraChains: [] },
  elements: { missing: [], extra: [] },
};
const HOLD = chainPart("hold", ["accept", "drop"]);
const BASE = chainPart("base", ["goto hold"], "type filter hook input priority 0; policy accept;");
const SET = setPart("s", ["type inet_proto . inet_service"]);
const FOUND: RulesetPart[] = [
  { kind: "chain", name: "hold", identity: "" },
  { kind: "chain", name: "base", identity: "input 0" },
  { kind: "rule", name: "hold", identity: "A" },
  { kind: "rule", name: "hold", identity: "B __map0" },
  { kind: "rule", name: "base", identity: "C" },
  { kind: "set", name: "s", identity: "type" },
];

suite("PartMemory", () => {
  const compare = (memory: PartMemory, found: RulesetPart[]) => memory.compare([HOLD, BASE, SET], found);
  const changed = (at: number, change: Partial<RulesetPart>): RulesetPart[] =>
    FOUND.map((each, index) => (index === at ? { ...each, ...change } : each));

  it("tells what is missing, changed and extra once it has seen how it should be", () => {
    const memory = new PartMemory();
    expect(compare(memory, FOUND)).toEqual(NOTHING.parts);
    expect(compare(memory, changed(3, { identity: "B __map7" }))).toEqual(NOTHING.parts);
    expect(compare(memory, changed(2, { identity: "X" })).otherRules).toEqual([HOLD]);
    expect(
      compare(
        memory,
        FOUND.filter((_each, at) => at !== 4),
      ).otherRules,
    ).toEqual([BASE]);
    expect(compare(memory, changed(1, { identity: "input 5" })).otherKind).toEqual([BASE]);
    expect(
      compare(
        memory,
        FOUND.filter((_each, at) => at !== 5),
      ).missing,
    ).toEqual([SET]);
    expect(compare(memory, [...FOUND, { kind: "chain", name: "x", identity: "" }]).extraChains).toEqual(["x"]);
    expect(compare(memory, []).missing).toEqual([HOLD, BASE, SET]);
  });

  it("does not take for right what has another number of rules the first time", () => {
    const memory = new PartMemory();
    expect(compare(memory, [...FOUND, { kind: "rule", name: "base", identity: "D" }]).otherRules).toEqual([BASE]);
    expect(compare(memory, FOUND)).toEqual(NOTHING.parts);
  });
});

suite("elementOf", () => {
  const content = (key: string, rest: Partial<Record<"keyEnd" | "value", string>> = {}, verdict?: ElementContent["verdict"]) => ({
    key: Buffer.from(key, "hex"),
    keyEnd: rest.keyEnd === undefined ? undefined : Buffer.from(rest.keyEnd, "hex"),
    value: rest.value === undefined ? undefined : Buffer.from(rest.value, "hex"),
    verdict,
  });
  const specific = layoutOf(mapPart("dnat4", ["type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service"]));
  const wildcard = layoutOf(mapPart("timeout_any4", ["type inet_proto . inet_service : verdict"]));
  const deny = layoutOf(setPart("deny_any6", ["type inet_proto . inet_service . ipv6_addr", "flags interval"]));

  it("writes what the kernel has as the table's elements are written", () => {
    expect(elementOf(specific, content("06000000c000020100500000", { value: "0a0000011f900000" }))).toEqual({
      set: "dnat4",
      key: "tcp . 192.0.2.1 . 80",
      value: "10.0.0.1 . 8080",
    });
    expect(elementOf(wildcard, content("1100000000350000", {}, { code: -4, chain: "flow_60s" }))).toEqual({
      set: "timeout_any4",
      key: "udp . 53",
      value: "goto flow_60s",
    });
    expect(elementOf(wildcard, content("8400000000350000", {}, { code: 1, chain: "" })).key).toBe("132 . 53");
    const from = "060000000050000020010db8000000000000000000000000";
    const to = "060000000050000020010db8000000000000000000000fff";
    expect(elementOf(deny, content(from, { keyEnd: to })).key).toBe("tcp . 80 . 2001:db8::-2001:db8::fff");
    expect(elementOf(deny, content(from, { keyEnd: from })).key).toBe("tcp . 80 . 2001:db8::");
  });

  it("survives sets of another type", () => {
    expect(elementOf(deny, content("0600")).key).toContain("?");
    expect(elementOf(deny, { key: undefined, keyEnd: undefined, value: undefined, verdict: undefined }).key).toBe("*");
  });
});

suite("a difference", () => {
  const element = { set: "s", key: "tcp . 80" };

  it("is put right with what is there left in place", () => {
    const difference: TableDifference = {
      parts: { missing: [SET], otherRules: [HOLD], otherKind: [BASE], extraChains: ["x"] },
      elements: { missing: [element], extra: [{ set: "s", key: "udp . 1" }] },
    };
    expect(isNone(difference)).toBe(false);
    expect(repairLines("t", difference)).toEqual([
      "flush chain inet t hold",
      "flush chain inet t base",
      "flush chain inet t x",
      "delete chain inet t base",
      "delete chain inet t x",
      "add set inet t s {\ntype inet_proto . inet_service\n}",
      "add chain inet t base {\ntype filter hook input priority 0; policy accept;\n}",
      "add rule inet t base goto hold",
      "add rule inet t hold accept",
      "add rule inet t hold drop",
      "delete element inet t s { udp . 1 }",
      "add element inet t s { tcp . 80 }",
    ]);
    expect(describe(difference)).toEqual({
      removed: "set s, tcp . 80 of s",
      changed: "rules of hold, chain base",
      added: "chain x, udp . 1 of s",
    });
  });

  it("takes a new table where a set is another", () => {
    expect(repairLines("t", { ...NOTHING, parts: { ...NOTHING.parts, otherKind: [SET] } })).toBeUndefined();
    expect(isNone(NOTHING)).toBe(true);
    expect(describe(NOTHING)).toEqual({});
  });

  it("is not somebody else's as far as the daemon's own transaction goes", () => {
    const difference: TableDifference = {
      parts: { ...NOTHING.parts, missing: [SET, HOLD] },
      elements: { missing: [element, { set: "s", key: "tcp . 81" }], extra: [] },
    };
    const own = ["add chain inet t hold", "add element inet t s { tcp . 80 }"];
    expect(describe(without(own, "t", difference))).toEqual({ removed: "set s, tcp . 81 of s" });
  });

  it("names a few of many", () => {
    const missing = Array.from({ length: 8 }, (_each, at) => ({ set: "s", key: `tcp . ${String(at)}` }));
    expect(describe({ ...NOTHING, elements: { missing, extra: [] } }).removed).toMatch(/tcp \. 4 of s and 3 more$/);
  });
});
