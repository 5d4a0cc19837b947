/** Whatever nft, iptables-save and the kernel's list of sockets say: it is read, or left out, and a walk through it ends. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { describe } from "vitest";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { mutatedText } from "../../test/fuzz/mutation.ts";
import { parseIptablesSave } from "./iptables-rules.ts";
import { parseNftRuleset } from "./nft-rules.ts";
import { walk } from "./rule-walk.ts";
import type { Chain, Packet } from "./rules.ts";
import { parseSockets } from "./sockets.ts";

const PACKET: Packet = {
  family: "ipv4",
  protocol: "tcp",
  daddr: 0x0a000001n,
  port: 80,
  isLocal: true,
  iif: "eth0",
  oif: undefined,
  ct: new Set(["new"]),
};

const RULESETS = [
  "*filter\n:INPUT DROP [0:0]\n:ONE - [0:0]\n-A INPUT -p tcp -m tcp --dport 80:90 -j ONE\n-A ONE ! -i lo -s 10.0.0.0/8 -j RETURN\n-A ONE -g INPUT\nCOMMIT\n",
  "*nat\n:PREROUTING ACCEPT [1:2]\n[0:0] -A PREROUTING -d 10.0.0.1/32 -p udp -m multiport --dports 1,2:3 -j DNAT --to-destination 1.2.3.4\n",
];
const OPTIONS = [
  "! ",
  "-p ",
  "-i eth+ ",
  "-d ::/0 ",
  "-j ",
  "-g ",
  "ACCEPT",
  "ONE",
  "INPUT",
  "--ctstate ",
  "--dport ",
  "70000",
  '"',
  "\n-A ONE ",
  "\0",
];

function checkWalks(chains: readonly Chain[]): void {
  for (const chain of chains) {
    if (chain.base === undefined) continue;
    const outcomes = walk(chains, chain, PACKET);
    assert.ok(outcomes.length > 0);
    // somebody's certain end comes last, or there is none that is certain
    const certain = outcomes.findIndex(({ doubt }) => doubt === undefined);
    assert.ok(certain === -1 || certain === outcomes.length - 1);
  }
}

describe("rules of others", () => {
  fuzz("any text of iptables-save can be walked through", mutatedText(RULESETS, OPTIONS, 6), (text) => {
    checkWalks(parseIptablesSave(text, { family: "ip", legacy: false }));
  });

  const value = fc.oneof(
    fc.constantFrom<unknown>("lo", "eth*", "@set", "10.0.0.1", 80, 1.5, -1, null, "tcp", "new", {
      set: [22, { range: [1, 90] }],
    }),
    fc.constantFrom<unknown>(
      { range: ["a", 1] },
      { prefix: { addr: "10.0.0.0", len: 8 } },
      { prefix: 1 },
      ["established", "new"],
      {},
    ),
  );
  const left = fc.oneof(
    fc.record({
      payload: fc.record({
        protocol: fc.constantFrom("tcp", "udp", "th", "ip", "ip6", "icmp"),
        field: fc.constantFrom("dport", "sport", "daddr", "saddr"),
      }),
    }),
    fc.record({ meta: fc.record({ key: fc.constantFrom("iifname", "oifname", "l4proto", "nfproto", "mark", "pkttype") }) }),
    fc.record({ ct: fc.record({ key: fc.constantFrom("state", "status", "direction", "mark") }) }),
    fc.constantFrom<unknown>({ fib: { result: "type", flags: ["daddr"] } }, "x", null),
  );
  const target = fc.record({ target: fc.constantFrom("in", "one", "two", "__proto__") });
  const verdict = fc.oneof(
    fc.constantFrom<unknown>(
      { accept: null },
      { drop: null },
      { return: null },
      { reject: {} },
      { dnat: {} },
      { xt: { type: "target" } },
    ),
    fc.record({ jump: target }),
    fc.record({ goto: target }),
  );
  const expression = fc.oneof(
    fc.record({ match: fc.record({ op: fc.constantFrom("==", "!=", "in", "<"), left, right: value }) }),
    fc.record({ vmap: fc.record({ key: left, data: fc.record({ set: fc.array(fc.tuple(value, verdict), { maxLength: 3 }) }) }) }),
    verdict,
  );
  const rule = fc.record({
    rule: fc.record({
      family: fc.constant("inet"),
      table: fc.constant("t"),
      chain: fc.constantFrom("in", "one", "two"),
      expr: fc.array(expression, { maxLength: 4 }),
    }),
  });
  const chains = [{ name: "in", type: "filter", hook: "input", prio: 0, policy: "drop" }, { name: "one" }, { name: "two" }];
  fuzz("any listing of nft can be walked through", fc.array(rule, { maxLength: 5 }), (rules) => {
    const objects = [...chains.map((each) => ({ chain: { family: "inet", table: "t", ...each } })), ...rules];
    checkWalks(parseNftRuleset(JSON.stringify({ nftables: objects })));
  });

  const LINES = ["   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1511 1 0 100\n"];
  fuzz("any line is a socket with an address and a port, or none", mutatedText(LINES, ["0A", ":", " ", "FFFF", "\n"]), (text) => {
    for (const { at } of parseSockets(text, "tcp", "ipv4")) {
      assert.match(at.address, /^\d+\.\d+\.\d+\.\d+$/);
      assert.ok(at.port >= 0 && at.port <= 65_535);
    }
  });
});
