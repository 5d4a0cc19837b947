import { describe, expect, it } from "vitest";
import { parseNftRuleset, tablesOfIptables } from "./nft-rules.ts";
import { walk } from "./rule-walk.ts";
import type { Packet } from "./rules.ts";

const CHAIN = { family: "inet", table: "filter", name: "input", type: "filter", hook: "input", prio: 0, policy: "drop" };
const PACKET: Packet = {
  family: "ipv4",
  protocol: "tcp",
  daddr: 0x7f000001n,
  port: 8080,
  isLocal: true,
  iif: "lan",
  oif: undefined,
  ct: new Set(["new", "dnat"]),
};

/** A chain with one rule, as nft 1.0.6 lists it. */
function listing(expr: unknown[], ...more: unknown[]): string {
  const rule = { family: "inet", table: "filter", chain: "input", expr };
  return JSON.stringify({ nftables: [{ metainfo: { json_schema_version: 1 } }, { chain: CHAIN }, ...more, { rule }] });
}

function fate(...of: Parameters<typeof listing>): string[] {
  const chains = parseNftRuleset(listing(...of));
  const [base] = chains;
  if (base === undefined) throw new Error("no chain");
  return walk(chains, base, PACKET).map(({ kind, doubt }) => `${kind}${doubt === undefined ? "" : ` (${doubt})`}`);
}

const match = (left: unknown, right: unknown, op = "=="): unknown => ({ match: { op, left, right } });
const PORT = { payload: { protocol: "tcp", field: "dport" } };
const ACCEPT = { accept: null };

describe("parseNftRuleset", () => {
  it.each<[string, unknown[], string[]]>([
    ["accept", [ACCEPT], ["accept"]],
    ["counter reject", [{ counter: {} }, { reject: { type: "icmpx" } }], ["drop"]],
    ["tcp dport 8080", [match(PORT, 8080), ACCEPT], ["accept"]],
    ["tcp dport != 8080", [match(PORT, 8080, "!="), ACCEPT], ["drop"]],
    ["udp dport 8080", [match({ payload: { protocol: "udp", field: "dport" } }, 8080), ACCEPT], ["drop"]],
    ["th dport 1-9000", [match({ payload: { protocol: "th", field: "dport" } }, { range: [1, 9000] }), ACCEPT], ["accept"]],
    ["tcp dport { 22, 8000-9000 }", [match(PORT, { set: [22, { range: [8000, 9000] }] }), ACCEPT], ["accept"]],
    ["tcp dport @missing", [match(PORT, "@missing"), ACCEPT], ["accept (unknown)", "drop"]],
    ["ct state established", [match({ ct: { key: "state" } }, ["established", "related"], "in"), ACCEPT], ["drop"]],
    ["ct status dnat", [match({ ct: { key: "status" } }, "dnat", "in"), ACCEPT], ["accept"]],
    ["iifname lo", [match({ meta: { key: "iifname" } }, "lo"), ACCEPT], ["drop"]],
    ["iifname la*", [match({ meta: { key: "iifname" } }, "la*"), ACCEPT], ["accept"]],
    ["meta l4proto 6", [match({ meta: { key: "l4proto" } }, { set: [6, "udp"] }), ACCEPT], ["accept"]],
    ["meta nfproto ipv6", [match({ meta: { key: "nfproto" } }, "ipv6"), ACCEPT], ["drop"]],
    ["ip saddr", [match({ payload: { protocol: "ip", field: "saddr" } }, "10.0.0.1"), ACCEPT], ["accept (client)", "drop"]],
    [
      "ip daddr 127.0.0.0/8",
      [match({ payload: { protocol: "ip", field: "daddr" } }, { prefix: { addr: "127.0.0.0", len: 8 } }), ACCEPT],
      ["accept"],
    ],
    ["ip6 daddr", [match({ payload: { protocol: "ip6", field: "daddr" } }, "::1"), ACCEPT], ["drop"]],
    ["icmp type", [match({ payload: { protocol: "icmp", field: "type" } }, "echo-request"), ACCEPT], ["drop"]],
    ["fib daddr type local", [match({ fib: { result: "type", flags: ["daddr"] } }, "local"), ACCEPT], ["accept"]],
    [
      "fib saddr . iif oif missing drop",
      [match({ fib: { result: "oif", flags: ["saddr", "iif"] } }, false), ACCEPT],
      ["accept (client)", "drop"],
    ],
    ["mark", [match({ meta: { key: "mark" } }, 1), ACCEPT], ["accept (unknown)", "drop"]],
    ["xt match", [{ xt: { type: "match", name: "conntrack" } }, ACCEPT], ["accept (unknown)", "drop"]],
    ["limit", [{ limit: { rate: 1 } }, ACCEPT], ["accept (client)", "drop"]],
    [
      "tcp dport vmap",
      [
        {
          vmap: {
            key: PORT,
            data: {
              set: [
                [22, { drop: null }],
                [8080, ACCEPT],
              ],
            },
          },
        },
      ],
      ["accept"],
    ],
    ["vmap @missing", [{ vmap: { key: PORT, data: "@missing" } }], ["unknown (unknown)", "drop"]],
    ["jump to nowhere", [{ jump: { target: "nowhere" } }], ["unknown (unknown)", "drop"]],
  ])("%s", (_text, expr, outcomes) => {
    expect(fate(expr)).toEqual(outcomes);
  });

  it("looks into named sets and maps of the same table", () => {
    const set = { set: { family: "inet", table: "filter", name: "ports", elem: [{ elem: { val: 8080, comment: "x" } }] } };
    const map = { map: { family: "inet", table: "filter", name: "by", elem: [["lan", { accept: null }]] } };
    expect(fate([match(PORT, "@ports"), ACCEPT], set)).toEqual(["accept"]);
    expect(fate([{ vmap: { key: { meta: { key: "iifname" } }, data: "@by" } }], map)).toEqual(["accept"]);
    const other = { set: { ...set.set, table: "nat" } };
    expect(fate([match(PORT, "@ports"), ACCEPT], other)).toEqual(["accept (unknown)", "drop"]);
  });

  it("names rules about as nft does, and base chains with hook, priority and policy", () => {
    const [chain] = parseNftRuleset(listing([match(PORT, { set: [22, { range: [80, 90] }] }), { counter: {} }, { drop: null }]));
    expect(chain).toMatchObject({
      base: { hook: "input", priority: 0, policy: "drop" },
      rules: [{ text: "tcp dport { 22,80-90 } drop" }],
    });
  });

  it("leaves out families that see no IP packets, and knows whose rules only iptables can show", () => {
    expect(parseNftRuleset(JSON.stringify({ nftables: [{ chain: { ...CHAIN, family: "bridge" } }] }))).toEqual([]);
    const rule = { family: "ip", table: "filter", chain: "FORWARD", expr: [{ xt: { type: "match", name: "conntrack" } }] };
    expect([...tablesOfIptables(JSON.stringify({ nftables: [{ rule }] }))]).toEqual(["ip filter"]);
    expect([...tablesOfIptables(listing([ACCEPT]))]).toEqual([]);
  });
});
