import { describe, expect, it } from "vitest";
import { iptables } from "../../test/fixture/machine.ts";
import { walk } from "./rule-walk.ts";
import type { Chain, Packet } from "./rules.ts";

const PACKET: Packet = {
  family: "ipv4",
  protocol: "tcp",
  daddr: 0x0a000202n,
  port: 80,
  isLocal: false,
  iif: "lan",
  oif: "dmz",
  ct: new Set(["new", "dnat"]),
};

/** What becomes of the packet in FORWARD, as "drop" or "accept?" (in doubt). */
function fate(rules: string, policy = "DROP", packet: Partial<Packet> = {}): string[] {
  const chains = iptables({ FORWARD: policy }, rules);
  const base = chains.find(({ name }) => name === "FORWARD") as Chain;
  return walk(chains, base, { ...PACKET, ...packet }).map(
    ({ kind, doubt }) => `${kind}${doubt === undefined ? "" : ` (${doubt})`}`,
  );
}

describe("walk", () => {
  it.each<[string, string[]]>([
    ["", ["drop"]],
    ["-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT", ["accept"]],
    ["-A FORWARD -p udp -m udp --dport 80 -j ACCEPT", ["drop"]],
    ["-A FORWARD -p tcp -m multiport --dports 22,79:81 -j ACCEPT", ["accept"]],
    ["-A FORWARD -p tcp -m tcp ! --dport 80 -j ACCEPT", ["drop"]],
    ["-A FORWARD -d 10.0.2.0/24 -j ACCEPT", ["accept"]],
    ["-A FORWARD ! -d 10.0.2.0/24 -j ACCEPT", ["drop"]],
    ["-A FORWARD -d 10.0.2.3/32 -j ACCEPT", ["drop"]],
    ["-A FORWARD -i la+ -j ACCEPT", ["accept"]],
    ["-A FORWARD -i docker0 ! -o docker0 -j ACCEPT", ["drop"]],
    ["-A FORWARD -o dmz -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", ["drop"]],
    ["-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT", ["accept"]],
    ["-A FORWARD -s 10.0.1.0/24 -j ACCEPT", ["accept (client)", "drop"]],
    ["-A FORWARD -m mark --mark 0x1 -j ACCEPT", ["accept (unknown)", "drop"]],
    ["-A FORWARD -m addrtype --dst-type LOCAL -j ACCEPT", ["drop"]],
    ['-A FORWARD -m comment --comment "-j ACCEPT here" -j LOG', ["drop"]],
    ["-A FORWARD -j ONE\n-A ONE -j RETURN\n-A FORWARD -j ACCEPT", ["accept"]],
    ["-A FORWARD -j ONE\n-A ONE -j ACCEPT\n-A FORWARD -j DROP", ["accept"]],
    ["-A FORWARD -g ONE\n-A ONE -p udp -j ACCEPT\n-A FORWARD -j ACCEPT", ["drop"]],
    // whoever is sent back is looked at further
    ["-A FORWARD -j ONE\n-A ONE -s 10.0.0.0/8 -j RETURN\n-A ONE -j DROP\n-A FORWARD -j ACCEPT", ["drop (client)", "accept"]],
    ["-A FORWARD -s 10.0.0.0/8 -j ONE\n-A ONE -j ACCEPT", ["accept (client)", "drop"]],
    ["-A FORWARD -j NFQUEUE --queue-num 1", ["unknown (unknown)", "drop"]],
    ["-A FORWARD -j NOWHERE", ["unknown (unknown)", "drop"]],
    ["-A FORWARD -j ONE\n-A ONE -j FORWARD", expect.arrayContaining(["unknown (unknown)"]) as string[]],
  ])("%s", (rules, outcomes) => {
    expect(fate(rules)).toEqual(outcomes);
  });

  it("ends with the policy, and doubts what it is not told", () => {
    expect(fate("", "ACCEPT")).toEqual(["accept"]);
    expect(fate("-A FORWARD -i lan -j ACCEPT", "DROP", { iif: undefined })).toEqual(["accept (client)", "drop"]);
    expect(fate("-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT", "DROP", { port: undefined })).toEqual([
      "accept (unknown)",
      "drop",
    ]);
    expect(fate("-A FORWARD -m conntrack --ctstate NEW -j ACCEPT", "DROP", { ct: undefined })).toEqual([
      "accept (unknown)",
      "drop",
    ]);
  });

  it("gives up rules that fan out without end", () => {
    const chains = Array.from({ length: 14 }, (_each, at) => `-A C${at} -s 10.0.0.0/8 -j C${at + 1}\n`.repeat(4)).join("");
    expect(fate(`-A FORWARD -j C0\n${chains}-A C14 -j LOG`)).toContain("unknown (unknown)");
  });
});
