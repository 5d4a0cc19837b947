/** What others do to the packet path while the daemon runs. */
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { visit } from "./clients.ts";
import { Daemon, until } from "./daemon.ts";
import { KEEP, lasting, onDemand, onDemandElsewhere, PYTHON, quick, serve, together } from "./on-demand.ts";
import { IS_SLOW, paced } from "../pace.ts";
import { BACKEND, CLIENT, GATEWAY, Topology } from "./topology.ts";

const PUSH = resolve(import.meta.dirname, "push.py");

/** How long clients may be turned away: a repair takes a fraction of that, on a machine that has nothing else to do. */
const REPAIR_MS = paced(3000);

/** A firewall as distributions have it, whose reload begins with everybody's end. */
const NFTABLES_CONF = `flush ruleset
table inet filter {
  chain input { type filter hook input priority filter; policy accept; tcp dport 9999 drop; }
}
`;
/** The others, as they are before and after. */
const FIREWALLD = `table inet firewalld {
  set zones { type ipv4_addr; elements = { 192.0.2.1 }; }
  chain filter_PREROUTING { type filter hook prerouting priority -140; policy accept; ip saddr @zones drop; }
  chain nat_POST { type nat hook postrouting priority 110; policy accept; }
}
`;
const DOCKER = `*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -p tcp -m tcp --dport 9998 -j DNAT --to-destination 172.17.0.2:80
COMMIT
`;

let topology: Topology;
let daemon: Daemon;

afterEach(async () => {
  await daemon[Symbol.asyncDispose]();
  await topology[Symbol.asyncDispose]();
});

function gateway(script: string): Promise<string> {
  return topology.shell("gateway", script);
}

async function file(name: string, text: string): Promise<string> {
  const path = join(daemon.directory, name);
  await writeFile(path, text);
  return path;
}

async function warnings(): Promise<string[]> {
  return (await daemon.log()).filter(({ level }) => level === "WARN").map(({ msg }) => String(msg));
}

describe("a firewall that is reloaded", () => {
  beforeEach(async () => {
    topology = await Topology.create();
    daemon = await Daemon.start(
      topology,
      together(
        onDemand({ name: "warm", command: lasting("127.0.0.1:8080") }),
        onDemand({
          name: "slow",
          endpoint: "127.0.0.1:8081",
          listen: "0.0.0.0:8089",
          command: quick("tcp", "127.0.0.1:8081", 2),
        }),
      ),
    );
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
    await until("the target is active", async () => (await daemon.targetState("warm")) === "active");
  });

  /** Rules that are not the daemon's, whichever was made first. */
  async function others(): Promise<string[]> {
    const { stdout } = await topology.run("gateway", "nft", "-s", "list", "ruleset");
    const tables = stdout.split(/^(?=table )/m).filter((table) => !/^table (inet proxygw|ip6? raw) /.test(table));
    const blocks = tables.flatMap((table) => {
      const [head = "", ...rest] = table.split(/^(?=\t(?:chain|set) )/m);
      return rest.map((each) => `${head.trim()} ${each.replace(/^}$/m, "").trim()}`);
    });
    return blocks.sort();
  }

  /** Has clients come one after another, does it, and goes on until they are served again for a while. */
  async function underTraffic(act: () => Promise<unknown>): Promise<{ failed: number; outageMs: number }> {
    let first: number | undefined;
    let last = 0;
    let failed = 0;
    const client = async (): Promise<boolean> => {
      const begun = performance.now();
      const { outcome } = await visit(topology, "client", GATEWAY, 8088);
      if (outcome === "served") return true;
      failed++;
      first ??= begun;
      last = performance.now();
      return false;
    };
    for (let before = 0; before < 5; before++) await client();
    const acting = act();
    for (let served = 0; served < 20;) served = (await client()) ? served + 1 : 0;
    await acting;
    return { failed, outageMs: first === undefined ? 0 : last - first };
  }

  it("takes clients away for no longer than the repair lasts, and changes nobody else's rules", async () => {
    const conf = await file("nftables.conf", NFTABLES_CONF);
    await gateway(`nft -f ${conf}`);
    const before = await others();
    expect(before.join()).toContain("9999");
    const { failed, outageMs } = await underTraffic(() => gateway(`nft -f ${conf}`));
    expect(outageMs).toBeLessThan(REPAIR_MS);
    await until("it was noticed", async () => (await warnings()).length >= 2);
    expect(await others()).toEqual(before);
    expect(failed).toBeLessThan(500);
    // also what is held finds its way again
    expect((await visit(topology, "client", GATEWAY, 8089)).answer).toBe(CLIENT);
  });

  it("costs no client anything when it reloads what is its own", async () => {
    const firewalld = await file("firewalld.nft", FIREWALLD);
    const docker = await file("docker.rules", DOCKER);
    await gateway(`nft -f ${firewalld}; iptables-restore -n ${docker}`);
    const before = await others();
    const { failed } = await underTraffic(async () => {
      await gateway(`nft delete table inet firewalld; nft -f ${firewalld}`);
      await gateway(`printf 'flush table inet firewalld\\ndelete table inet firewalld\\n' | nft -f -; nft -f ${firewalld}`);
      await gateway(
        `iptables -t nat -F PREROUTING; iptables -t nat -F DOCKER; iptables -t nat -X DOCKER; iptables-restore -n ${docker}`,
      );
    });
    expect(failed).toBe(0);
    expect(await others()).toEqual(before);
    expect(await warnings()).toEqual([]);
  });

  // the client's kernel sends again after a second, however slow the machine: by then the table is to be there again
  it.skipIf(IS_SLOW)("loses no client that is held meanwhile", async () => {
    const held = visit(topology, "client", GATEWAY, 8089);
    await until("it is held", async () => (await daemon.target("slow"))?.state === "warming");
    // the kernel drops what it holds for anybody, with any base chain
    await gateway(`nft -f ${await file("nftables.conf", NFTABLES_CONF)}`);
    expect(await held).toMatchObject({ answer: CLIENT, outcome: "served" });
  });

  it("may take away any of iptables' rules", async () => {
    const way = (await daemon.log()).find(({ msg }) => String(msg).startsWith("packets for targets"))?.["by"];
    const raw = await file("raw.rules", "*raw\n-A OUTPUT -d 192.0.2.9 -j ACCEPT\nCOMMIT\n");
    await gateway(`iptables-restore ${raw}; ip6tables -t raw -F 2>/dev/null || true`);
    if (String(way).startsWith("rules of iptables")) {
      await until("it was noticed", async () =>
        (await warnings()).includes("somebody else had removed rules of iptables; added them again"),
      );
    }
    expect((await visit(topology, "client", GATEWAY, 8089)).answer).toBe(CLIENT);
    expect(await gateway("iptables -t raw -S OUTPUT")).toContain("-d 192.0.2.9");
    // what somebody else put there is theirs
    await daemon.stop();
    expect((await gateway("iptables -t raw -S OUTPUT")).split("\n")).toEqual([
      "-P OUTPUT ACCEPT",
      "-A OUTPUT -d 192.0.2.9/32 -j ACCEPT",
    ]);
  });

  it("may take away a single element, and the log says which", async () => {
    const { failed, outageMs } = await underTraffic(() => gateway("nft delete element inet proxygw dnat_any4 '{ tcp . 8088 }'"));
    expect(outageMs).toBeLessThan(REPAIR_MS);
    await until("it was noticed", async () => (await warnings()).length > 0);
    const [warning] = (await daemon.log()).filter(({ level }) => level === "WARN");
    expect(warning).toMatchObject({
      msg: "somebody else had changed the table; put it right",
      table: "proxygw",
      removed: "tcp . 8088 : 127.0.0.1 . 8080 of dnat_any4",
    });
    expect(failed).toBeLessThan(500);
  });

  it("may add and remove interfaces: a wildcard takes what comes by those that are there", async () => {
    await gateway(`
      ip link add late type veth peer name late0 netns ${topology.namespace("client")}
      ip addr add 10.77.9.1/24 dev late && ip link set late up`);
    await topology.shell("client", "ip addr add 10.77.9.2/24 dev late0 && ip link set late0 up");
    expect((await visit(topology, "client", "10.77.9.1", 8088)).answer).toBe("10.77.9.2");
    const held = visit(topology, "client", "10.77.9.1", 8089);
    await until("it is held", async () => (await daemon.target("slow"))?.state === "warming");
    await gateway("ip link del late");
    expect((await held).outcome).not.toBe("served");
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
    expect(await warnings()).toEqual([]);
  });
});

describe("conntrack -F", () => {
  const OWN = `${GATEWAY}:8083`;

  beforeEach(async () => {
    topology = await Topology.create();
    // a router already: no guard keeps out those who go past the frontend
    await gateway("sysctl -qw net.ipv4.ip_forward=1");
    const push = (endpoint: string): string => `exec ${PYTHON} ${PUSH} serve ${endpoint.replace(":", " ")}`;
    await serve(topology, "backend", `${BACKEND}:8081`, push(`${BACKEND}:8081`));
    await serve(topology, "backend", `${BACKEND}:8082`, lasting(`${BACKEND}:8082`));
    daemon = await Daemon.start(
      topology,
      together(
        onDemand({ name: "loopback", endpoint: "127.0.0.1:8080", listen: "0.0.0.0:8088", command: push("127.0.0.1:8080") }),
        onDemand({ name: "own", endpoint: OWN, listen: "0.0.0.0:8087", command: push(OWN) }),
        onDemandElsewhere([`${BACKEND}:8081`], { name: "remote", listen: "0.0.0.0:8089" }),
        onDemandElsewhere([`${BACKEND}:8082`], { name: "asked", listen: "0.0.0.0:8090", target: { idle_timeout: "2s" } }),
      ),
    );
  });

  // without the rule that has endpoints' packets wait, the first such packet makes a flow that is not translated
  it.each([
    ["127.0.0.1", GATEWAY, 8088],
    ["an address of the gateway", GATEWAY, 8087],
    ["another machine", GATEWAY, 8089],
    ["another machine, past the frontend", BACKEND, 8081],
  ])("ends no connection whose service, on %s, is the one to speak", async (_where, address, port) => {
    const client = topology.converse("client", PYTHON, PUSH, "listen", address, String(port));
    const heard: number[] = [Number(await client.hear())];
    await gateway("conntrack -F");
    while (heard.length < 30) heard.push(Number(await client.hear()));
    expect(heard).toEqual(heard.map((_each, at) => at));
  });

  it("keeps nobody from his answers whose packets take another way", async () => {
    await topology.shell("backend", "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0");
    const backend = topology.namespace("backend");
    await topology.shell("client", `ip link add aside type veth peer name aside netns ${backend}; ip link set aside up`);
    await topology.shell("backend", "ip link set aside up");
    await topology.shell("client", `ip route add ${BACKEND}/32 dev aside src ${CLIENT}`);
    expect(await visit(topology, "client", BACKEND, 8082)).toMatchObject({ outcome: "served", answer: CLIENT });
    expect(await gateway("nft list set inet proxygw one_way4")).toContain(BACKEND);
  });

  it("ends no connection whose client is the one to speak, nor stops its service", async () => {
    const client = topology.converse("client", PYTHON, KEEP, GATEWAY, "8090");
    const answer = await client.hear();
    await until("the target is active", async () => (await daemon.targetState("asked")) === "active");
    await gateway("conntrack -F");
    client.say("ping");
    expect(await client.hear()).toBe(answer);
    // known again, it keeps the service up while it is silent
    await new Promise((wake) => setTimeout(wake, 4000));
    expect(await daemon.targetState("asked")).toBe("active");
    client.say("ping");
    expect(await client.hear()).toBe(answer);
  });
});
