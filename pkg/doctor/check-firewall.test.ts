import { describe, expect, it } from "vitest";
import type { Finding } from "../plugin/finding.ts";
import { firewallFindings, forwardFindings, natFindings } from "./check-firewall.ts";
import { configOf, iptables, isLocal, network } from "../../test/fixture/machine.ts";
import { parseIptablesSave } from "./iptables-rules.ts";
import type { Chain } from "./rules.ts";

const HERE = '  - { name: near, kind: "static:always", listen: 0.0.0.0:8088, target: here:http }';
const THERE = '  - { name: far, kind: "static:always", listen: 10.0.1.1:8089, target: there:http }';
const PAGE = '  - { name: page, kind: "static:http", listen: 0.0.0.0:8090, target: there:http }';

/** As Docker leaves it. */
const DOCKER = iptables(
  { FORWARD: "DROP" },
  `-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-USER -j RETURN`,
);
/** As ufw does, shortened. */
const UFW = iptables(
  { INPUT: "DROP", FORWARD: "DROP" },
  `-A INPUT -j ufw-before-input
-A INPUT -j ufw-after-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -j ufw-user-input
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j LOG
-A ufw-not-local -j DROP
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
-A ufw-after-input -p udp -m udp --dport 137 -j RETURN`,
);

const run = (frontends: string, chains: readonly Chain[]): Finding[] =>
  firewallFindings(configOf(frontends), { chains, network: network(), isLocal });

describe("firewallFindings", () => {
  it("finds what Docker's policy drops: forwarded packets only", () => {
    expect(run(HERE, DOCKER)).toEqual([]);
    expect(run(THERE, DOCKER)).toEqual([
      {
        id: "firewall-drops",
        severity: "error",
        what: 'clients of frontend "far" are dropped on their way to the endpoint: policy drop',
        where: "chain FORWARD of table ip filter",
        remedy: "iptables -I DOCKER-USER -m conntrack --ctstate DNAT -j ACCEPT",
      },
    ]);
  });

  it("passes when its remedy was followed", () => {
    const followed = DOCKER.map((chain) => {
      if (chain.name !== "DOCKER-USER") return chain;
      const [first] =
        iptables({}, "-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT").find(({ name }) => name === "FORWARD")?.rules ?? [];
      return first === undefined ? chain : { ...chain, rules: [first, ...chain.rules] };
    });
    expect(run(THERE, followed)).toEqual([]);
  });

  it("asks the input hook for the endpoint's port, and for the page's own", () => {
    expect(run(HERE, UFW)).toMatchObject([{ severity: "error", remedy: "ufw allow proto tcp to 127.0.0.1 port 8080" }]);
    const [page, far] = run(PAGE, UFW).map(({ remedy }) => remedy);
    expect([page, far].sort()).toEqual(["ufw allow 8090/tcp", "ufw route allow proto tcp to 10.0.2.2 port 80"]);
    // the frontend's port is not what the hook sees
    const opened = (port: number): Chain[] => iptables({ INPUT: "DROP" }, `-A INPUT -p tcp -m tcp --dport ${port} -j ACCEPT`);
    expect(run(HERE, opened(8088))).toHaveLength(1);
    expect(run(HERE, opened(8080))).toEqual([]);
    expect(run(PAGE, opened(8090))).toEqual([]);
  });

  it("says what it depends on, where not all are dropped", () => {
    const lan = iptables({ FORWARD: "DROP" }, "-A FORWARD -s 10.0.1.0/24 -j ACCEPT");
    expect(run(THERE, lan)).toMatchObject([{ severity: "note", what: expect.stringContaining("but for those") as string }]);
    const device = iptables({ INPUT: "DROP" }, "-A INPUT -i lan -j ACCEPT\n-A INPUT -i dmz -j ACCEPT");
    expect(run(HERE, device)).toMatchObject([{ severity: "note", what: expect.stringContaining("come in by wan") as string }]);
  });

  it("is honest about what it cannot read", () => {
    const chains = iptables({ FORWARD: "DROP" }, "-A FORWARD -m mark --mark 0x1 -j ACCEPT");
    expect(run(THERE, chains)).toMatchObject([
      { severity: "warning", what: expect.stringContaining("it cannot be told from here, because of: -m mark") as string },
    ]);
  });

  it("names frontends that share a fate together", () => {
    const many = [1, 2, 3].map((each) => THERE.replace("far", `far${each}`).replace("8089", `809${each}`)).join("\n");
    expect(run(many, DOCKER)).toMatchObject([{ what: expect.stringContaining('3 frontends ("far1", "far2", …)') as string }]);
  });

  it("knows whose clients never pass forward, and which tables see which family", () => {
    expect(run(THERE.replace("10.0.1.1", "127.0.0.1"), DOCKER)).toEqual([]);
    expect(
      run(
        THERE,
        DOCKER.map((chain) => ({ ...chain, family: "ip6" as const })),
      ),
    ).toEqual([]);
  });

  it.each<[string, Partial<Chain>, string]>([
    ["firewalld", { family: "inet", table: "firewalld", name: "filter_FORWARD" }, "firewall-cmd --permanent --direct"],
    ["nft", { family: "inet", table: "mine", name: "fwd" }, "nft insert rule inet mine fwd ct status dnat accept"],
    ["iptables", {}, "iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT"],
    ["legacy", { legacy: true }, "iptables-legacy -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT"],
  ])("has a remedy for %s", (_name, changes, remedy) => {
    const chains = iptables({ FORWARD: "DROP" }, "").filter(({ name }) => name === "FORWARD");
    expect(
      run(
        THERE,
        chains.map((chain) => ({ ...chain, ...changes })),
      ),
    ).toMatchObject([{ remedy: expect.stringContaining(remedy) as string }]);
  });
});

describe("forwardFindings", () => {
  it("warns of what would drop the packets of targets elsewhere", () => {
    expect(forwardFindings(DOCKER, network())).toMatchObject([{ id: "firewall-drops", severity: "warning" }]);
    expect(forwardFindings(iptables({ INPUT: "DROP" }, ""), network())).toEqual([]);
  });
});

describe("natFindings", () => {
  const nat = (rule: string): Chain[] =>
    parseIptablesSave(`*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n${rule}\nCOMMIT`, { family: "ip", legacy: false });
  const conflicts = (rule: string, frontends = HERE): Finding[] =>
    natFindings(configOf(frontends), { chains: nat(rule), network: network(), isLocal });

  it("finds DNAT of others for a listen address", () => {
    const published =
      "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8088 -j DNAT --to-destination 172.17.0.2:80";
    expect(conflicts(published)).toMatchObject([
      { id: "nat-conflict", severity: "warning", what: expect.stringContaining("port 8088") as string },
    ]);
    expect(conflicts(published.replace("8088", "8089"))).toEqual([]);
    expect(conflicts(published, HERE.replace("0.0.0.0", "127.0.0.1"))).toEqual([]);
  });

  it("says which one is first", () => {
    const chains = nat("-A PREROUTING -p tcp -j REDIRECT --to-ports 1").map((chain) => ({
      ...chain,
      base: chain.base === undefined ? undefined : { ...chain.base, priority: -150 },
    }));
    const [finding] = natFindings(configOf(HERE), { chains, network: network(), isLocal });
    expect(finding?.what).toContain("before this gateway does");
    const later = chains.map((chain) => ({
      ...chain,
      base: chain.base === undefined ? undefined : { ...chain.base, priority: -90 },
    }));
    expect(natFindings(configOf(HERE), { chains: later, network: network(), isLocal })).toEqual([]);
  });
});
