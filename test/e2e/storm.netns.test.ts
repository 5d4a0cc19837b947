/** Many clients at once, and those that mean no good. */
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { fewer, paced } from "../pace.ts";
import { burst, datagrams, visit } from "./clients.ts";
import { Daemon, until } from "./daemon.ts";
import { FLOOD, MALFORMED, onDemand, onDemandElsewhere, PYTHON, quick, serve, together } from "./on-demand.ts";
import { CLIENT, CLIENT6, GATEWAY, GATEWAY6, Topology } from "./topology.ts";

const KIB_PER_MIB = 1024;

/** Resident memory in MiB. */
async function memory(daemon: Daemon): Promise<number> {
  const status = await readFile(`/proc/${String(daemon.pid)}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / KIB_PER_MIB;
}

describe("a storm", () => {
  it("of 1,000 clients at once for one target that takes a second to start: all are answered", async () => {
    await using topology = await Topology.create();
    await using daemon = await Daemon.start(topology, onDemand({ command: quick("tcp", "127.0.0.1:8080", paced(1)) }));
    const { answers, seconds } = await burst(topology, "client", 1000, GATEWAY, 8088);
    expect(answers).toEqual({ [CLIENT]: 1000 });
    expect(seconds).toBeGreaterThan(1);
    expect(await daemon.times("warming")).toBe(1);
    expect(await daemon.frontend()).toMatchObject({ held: 1000 });
  });

  const targets = fewer(200);

  it(`of clients for ${String(targets)} targets in the same second: all are answered`, { timeout: paced(60_000) }, async () => {
    await using topology = await Topology.create();
    const timeout = `${String(paced(30))}s`;
    const patient = { target: { ready: { probe: "tcp", timeout } }, frontend: { hold: { timeout } } };
    const all = Array.from({ length: targets }, (_, index) => {
      const [endpoint, listen] = [`127.0.0.1:${String(20_000 + index)}`, `0.0.0.0:${String(30_000 + index)}`];
      return onDemand({ name: `t${String(index)}`, endpoint, listen, ...patient });
    });
    await using daemon = await Daemon.start(topology, together(...all));
    const { answers } = await burst(topology, "client", targets, GATEWAY, 30_000, 30_000 + targets - 1);
    expect(answers).toEqual({ [CLIENT]: targets });
    await until("all are active", async () => (await daemon.status()).targets.every(({ state }) => state === "active"));
    expect((await daemon.status()).frontends.map(({ held }) => held)).toEqual(Array.from({ length: targets }, () => 1));
  });

  it.each([
    ["that deny keeps out: it is not even woken", { deny: ["10.99.0.0/16"] }],
    ["that has no gate: no more are held than max_flows", { hold: { max_flows: 100, timeout: "3s" } }],
  ])("of 50,000 SYNs from as many sources, at a frontend %s", { timeout: paced(60_000) }, async (_which, frontend) => {
    await using topology = await Topology.create();
    await topology.shell(
      "gateway",
      "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.client.rp_filter=0; ip route add 10.99.0.0/16 dev client",
    );
    const isDenied = "deny" in frontend;
    const other = onDemand({ name: "other", endpoint: "127.0.0.1:8081", listen: "0.0.0.0:8089" });
    // not ready before the flood is over
    const flooded = onDemandElsewhere(["127.0.0.1:8080"], { frontend, target: { ready: { probe: "tcp", timeout: "1m" } } });
    // at DEBUG it is mostly the log's lines that the memory would be of
    await using daemon = await Daemon.start(topology, together(flooded, other), "INFO");
    const before = await memory(daemon);
    let most = before;
    const flood = topology.converse("client", PYTHON, FLOOD, GATEWAY, "8088", "50000");
    expect(await flood.hear()).toBe("begun");
    let isOver = false;
    const over = flood.hear().finally(() => {
      isOver = true;
    });
    let during = 0;
    await until("the flood is over", async () => {
      const last = isOver;
      const { answer } = await visit(topology, "client", GATEWAY, 8089);
      expect(answer).toBe(CLIENT);
      await daemon.drain("other");
      if (!last) during++;
      most = Math.max(most, await memory(daemon));
      return last;
    });
    expect(await over).toBe("sent 50000");
    expect(during).toBeGreaterThan(0);
    expect(most - before).toBeLessThan(40);
    const front = await daemon.frontend();
    if (isDenied) {
      expect(front?.denied).toBe(50_000);
      expect(front?.held).toBeUndefined();
      expect(await daemon.targetState()).toBe("inactive");
    } else {
      expect(front?.held).toBeGreaterThanOrEqual(100);
      expect(front?.holding ?? 0).toBeLessThanOrEqual(100);
      expect(front?.overflowed).toBeGreaterThan(10_000);
    }
    // its own clients get in once those are gone that only took up room
    await serve(topology, "gateway", "127.0.0.1:8080");
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
    expect((await visit(topology, "client", GATEWAY, 8089)).answer).toBe(CLIENT);
  });

  it("of malformed packets harms nothing", async () => {
    await using topology = await Topology.create();
    const target = { ready: { probe: "tcp", timeout: "1m" } };
    const listen = ["0.0.0.0:8088", "[::]:8088"];
    const hold = { max_flows: 10_000 };
    const tcp = onDemandElsewhere(["127.0.0.1:8080", `[${GATEWAY6}]:8080`], { listen, target, frontend: { hold } });
    const udp = onDemand({ name: "udp", mode: "udp", endpoint: "127.0.0.1:8080", listen: "0.0.0.0:8088", frontend: { hold } });
    const udp6 = onDemand({ name: "udp6", mode: "udp", endpoint: `[${GATEWAY6}]:8080`, listen: "[::]:8088", frontend: { hold } });
    await using daemon = await Daemon.start(topology, together(tcp, udp, udp6));
    const { pid } = daemon;
    // so that the client knows the gateway's hardware address
    expect((await visit(topology, "client", GATEWAY, 9)).outcome).toBe("refused");
    const { stdout, stderr } = await topology.run("client", PYTHON, MALFORMED, "eth0", GATEWAY, GATEWAY6, "8088", "1000");
    expect(stderr).toBe("");
    expect(Number(stdout)).toBeGreaterThan(4000);
    expect((await daemon.frontend())?.held).toBeGreaterThan(0);
    // some of them look like a first packet, and wait; what is let go is strange too
    const held = visit(topology, "client", GATEWAY, 8088);
    const held6 = visit(topology, "client", GATEWAY6, 8088);
    await serve(topology, "gateway", "127.0.0.1:8080");
    await serve(topology, "gateway", `[${GATEWAY6}]:8080`);
    expect([(await held).answer, (await held6).answer]).toEqual([CLIENT, CLIENT6]);
    for (const [name, address, client] of [
      ["udp", GATEWAY, CLIENT],
      ["udp6", GATEWAY6, CLIENT6],
    ] as const) {
      await daemon.drain(name);
      expect(await datagrams(topology, "client", address, 8088, 1)).toEqual([`0 ${client} datagram 0`]);
    }
    await daemon.drain();
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
    expect(daemon.pid).toBe(pid);
    expect((await daemon.log()).filter(({ level }) => level === "ERROR")).toEqual([]);
  });
});
