/** What a distribution's kernel has and others lack: the daemon finds it and uses it, for both protocols and both families. */
import { beforeAll, describe, expect, it } from "vitest";
import { datagrams, visit } from "../e2e/clients.ts";
import { Daemon, until } from "../e2e/daemon.ts";
import { KEEP, lasting, onDemand, PYTHON, together } from "../e2e/on-demand.ts";
import { CLIENT, CLIENT6, GATEWAY, GATEWAY6, type Host, Topology } from "../e2e/topology.ts";
import { inMachine } from "./machine.ts";

const FAMILIES = [
  { family: "4", endpoint: "127.0.0.1", listen: "0.0.0.0", address: GATEWAY, client: CLIENT },
  { family: "6", endpoint: `[${GATEWAY6}]`, listen: "[::]", address: GATEWAY6, client: CLIENT6 },
];

const BRIEF = { hold: { timeout: "1500ms" } };

const STATEMENT = "the nftables queue statement";

/** The daemon has its rules in the table, and nothing else is there: neither a rule of iptables nor another table. */
function expectStatement(ruleset: string): void {
  expect(ruleset.match(/^table .*/gm)).toEqual(["table inet proxygw {"]);
  expect(ruleset).toMatch(/queue (num|to) \d+/);
}

describe("Debian's own kernel", () => {
  beforeAll(inMachine);

  it("holds by its queue statement, which the daemon finds out by itself", async () => {
    await using topology = await Topology.create();
    await using daemon = await Daemon.prepare(topology, onDemand());
    const { stdout } = await topology.run("gateway", daemon.program, "check", "--config", daemon.configFile);
    expect(stdout).toContain(STATEMENT);
    expect(await topology.shell("gateway", "nft list ruleset")).toBe("");
    await daemon.restart();
    expectStatement(await topology.shell("gateway", "nft list ruleset"));
    expect(JSON.stringify(await daemon.log())).toContain(STATEMENT);
  });

  it("holds first packets of TCP and UDP, over IPv4 and IPv6, from elsewhere and from the gateway", async () => {
    await using topology = await Topology.create();
    const all = FAMILIES.flatMap(({ family, endpoint, listen }) => [
      onDemand({ name: `tcp${family}`, endpoint: `${endpoint}:8080`, listen: `${listen}:8088` }),
      onDemand({ name: `udp${family}`, mode: "udp", endpoint: `${endpoint}:5300`, listen: `${listen}:5353` }),
    ]);
    await using daemon = await Daemon.start(topology, together(...all));
    for (const { family, address, client } of FAMILIES) {
      for (const [host, source] of [
        ["client", client],
        ["gateway", address],
      ] as [Host, string][]) {
        expect(await visit(topology, host, address, 8088)).toMatchObject({ outcome: "served", answer: source });
        const answers = Array.from({ length: 3 }, (_, n) => `${String(n)} ${source} datagram ${String(n)}`);
        expect(await datagrams(topology, host, address, 5353, 3)).toEqual(answers);
        for (const name of [`tcp${family}`, `udp${family}`]) await daemon.drain(name);
      }
      expect(await daemon.frontend(`front-tcp${family}`)).toMatchObject({ held: 2 });
      expect(await daemon.frontend(`front-udp${family}`)).toMatchObject({ held: 2 });
    }
    expect(await daemon.stop()).toBe(0);
    expect(await topology.shell("gateway", "nft list ruleset")).toBe("");
  });

  it("refuses what has been held too long, and what is no first packet", async () => {
    await using topology = await Topology.create();
    const never = { command: "exec sleep 60", target: { ready: { probe: "command", command: "false", timeout: "1m" } } };
    const all = FAMILIES.flatMap(({ family, endpoint, listen }) => [
      onDemand({ ...never, name: `tcp${family}`, endpoint: `${endpoint}:8080`, listen: `${listen}:8088`, frontend: BRIEF }),
      onDemand({
        ...never,
        name: `udp${family}`,
        mode: "udp",
        endpoint: `${endpoint}:5300`,
        listen: `${listen}:5353`,
        frontend: BRIEF,
      }),
    ]);
    await using daemon = await Daemon.start(topology, together(...all));
    for (const { family, address } of FAMILIES) {
      const [tcp, udp] = await Promise.all([
        visit(topology, "client", address, 8088),
        datagrams(topology, "client", address, 5353, 1),
      ]);
      expect(tcp.outcome).toBe("refused");
      expect(tcp.ms).toBeGreaterThan(1490);
      expect(udp).toEqual(["ConnectionRefusedError"]);
      expect(await daemon.frontend(`front-tcp${family}`)).toMatchObject({ held: 1, timed_out: 1 });
    }
  });

  it("makes the same rules again after they were flushed, and resets what a drain left behind", async () => {
    await using topology = await Topology.create();
    await using daemon = await Daemon.start(topology, onDemand({ command: lasting("127.0.0.1:8080") }));
    const client = topology.converse("client", PYTHON, KEEP, GATEWAY, "8088");
    expect(await client.hear()).toBe(CLIENT);
    await topology.shell("gateway", "nft flush ruleset");
    await until("the table is there again", async () => (await topology.shell("gateway", "nft list tables")) !== "");
    client.say("again");
    expect(await client.hear()).toBe(CLIENT);
    await daemon.drain();
    client.say("again");
    expect(await client.hear()).toMatch(/^(RemoteDisconnected|ConnectionResetError|BrokenPipeError)$/);
    await topology.shell("gateway", "nft flush ruleset");
    await until("the table is there again", async () => (await topology.shell("gateway", "nft list tables")) !== "");
    expectStatement(await topology.shell("gateway", "nft list ruleset"));
    expect(await visit(topology, "client", GATEWAY, 8088)).toMatchObject({ outcome: "served", answer: CLIENT });
  });
});
