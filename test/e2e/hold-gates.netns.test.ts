/** Who may reach a frontend, and who may wake its target. */
import { describe, expect, it } from "vitest";
import { paced } from "../pace.ts";
import { datagrams, visit } from "./clients.ts";
import { Daemon, until } from "./daemon.ts";
import { KEEP, lasting, onDemand, PYTHON, quick, together } from "./on-demand.ts";
import { CLIENT, CLIENT6, GATEWAY, GATEWAY6, Topology } from "./topology.ts";

const OTHER = "10.77.1.3";
const OTHER6 = "fd77:1::3";

async function withTwoSources(): Promise<Topology> {
  const topology = await Topology.create();
  await topology.shell("client", `ip addr add ${OTHER}/24 dev eth0; ip addr add ${OTHER6}/64 dev eth0 nodad`);
  return topology;
}

describe("a gate", () => {
  it.each([
    ["allow", { allow: [`${OTHER}/32`, `${OTHER6}/128`] }],
    ["deny", { deny: [CLIENT, `${CLIENT6}/128`] }],
  ])("of kind %s lets only some reach the frontend, whether its target is active or not", async (_kind, frontend) => {
    await using topology = await withTwoSources();
    const v6 = { name: "v6", endpoint: `[${GATEWAY6}]:8080`, listen: "[::]:8088", frontend };
    const udp = { name: "udp", mode: "udp" as const, endpoint: "127.0.0.1:5300", listen: "0.0.0.0:5353", frontend };
    await using daemon = await Daemon.start(topology, together(onDemand({ frontend }), onDemand(v6), onDemand(udp)));
    const limit = (seconds: number): string => String(paced(seconds));
    const kept = async (): Promise<void> => {
      const [tcp4, tcp6, datagram] = await Promise.all([
        topology.run("client", "curl", "-s", "--max-time", limit(1), "--interface", CLIENT, `http://${GATEWAY}:8088/`),
        topology.run("client", "curl", "-sg", "--max-time", limit(1), "--interface", CLIENT6, `http://[${GATEWAY6}]:8088/`),
        topology.run("client", "timeout", limit(2), PYTHON, "-c", ask(CLIENT)),
      ]);
      // no answer at all: curl's time is up, the datagram's client is ended
      expect([tcp4.exitCode, tcp6.exitCode, datagram.exitCode]).toEqual([28, 28, 124]);
    };
    await kept();
    for (const name of ["backend", "v6", "udp"]) expect(await daemon.targetState(name)).toBe("inactive");
    const fronts = ["front", "front-v6", "front-udp"];
    const denied = (): Promise<number[]> => Promise.all(fronts.map(async (name) => (await daemon.frontend(name))?.denied ?? 0));
    const cold = await denied();
    for (const count of cold) expect(count).toBeGreaterThan(0);
    const letThrough = async (): Promise<void> => {
      expect((await visit(topology, "client", GATEWAY, 8088, OTHER)).answer).toBe(OTHER);
      expect((await visit(topology, "client", GATEWAY6, 8088, OTHER6)).answer).toBe(OTHER6);
      expect((await topology.run("client", PYTHON, "-c", ask(OTHER))).stdout).toContain(OTHER);
    };
    await letThrough();
    // its first client is let go some milliseconds before
    for (const name of ["backend", "v6", "udp"])
      await until(`${name} is active`, async () => (await daemon.targetState(name)) === "active");
    await kept();
    await letThrough();
    for (const [index, count] of (await denied()).entries()) expect(count).toBeGreaterThan(cold[index] ?? 0);
  });

  it("of kind ignore serves a monitor while the target is active, neither wakes it for it nor keeps it awake", async () => {
    await using topology = await withTwoSources();
    const frontend = { ignore: [CLIENT] };
    const command = lasting("127.0.0.1:8080");
    const target = { idle_timeout: `${String(paced(1500))}ms` };
    await using daemon = await Daemon.start(topology, onDemand({ command, frontend, target }));
    const early = await visit(topology, "client", GATEWAY, 8088, CLIENT);
    expect(early.outcome).toBe("refused");
    expect(early.ms).toBeLessThan(paced(1000));
    expect(await daemon.times("warming")).toBe(0);
    expect((await daemon.frontend())?.ignored).toBe(1);

    expect((await visit(topology, "client", GATEWAY, 8088, OTHER)).answer).toBe(OTHER);
    // one that asks again and again, and one that stays
    const monitor = topology.converse("client", PYTHON, KEEP, GATEWAY, "8088");
    expect(await monitor.hear()).toBe(CLIENT);
    let served = 0;
    await until("the target is inactive although the monitor looks", async () => {
      if ((await visit(topology, "client", GATEWAY, 8088, CLIENT)).outcome === "served") served++;
      return (await daemon.targetState()) === "inactive";
    });
    expect(served).toBeGreaterThan(0);
    const log = await daemon.log();
    const [active, inactive] = ["active", "inactive"].map((to) =>
      Date.parse(String(log.find((line) => line["to"] === to)?.["time"])),
    );
    // due 1.5 s after the last packet that counts
    expect((inactive ?? 0) - (active ?? 0)).toBeLessThan(paced(4000));
    expect((await visit(topology, "client", GATEWAY, 8088, CLIENT)).outcome).toBe("refused");
    expect(await daemon.times("warming")).toBe(1);
  });

  it("of kind wake_limit refuses a source that wakes too often, and nobody else, until its bucket has refilled", async () => {
    await using topology = await withTwoSources();
    // refills one in 8 s
    await using daemon = await Daemon.start(topology, onDemand({ frontend: { wake_limit: `3/${String(paced(24))}s` } }));
    for (let wake = 0; wake < 3; wake++) {
      expect((await visit(topology, "client", GATEWAY, 8088, CLIENT)).outcome).toBe("served");
      await daemon.drain();
    }
    const fourth = await visit(topology, "client", GATEWAY, 8088, CLIENT);
    expect(fourth.outcome).toBe("refused");
    expect(fourth.ms).toBeLessThan(paced(1000));
    expect(await daemon.targetState()).toBe("inactive");
    expect((await daemon.frontend())?.limited).toBe(1);
    expect((await visit(topology, "client", GATEWAY, 8088, OTHER)).answer).toBe(OTHER);
    // while the target is active there is no limit
    for (let again = 0; again < 5; again++)
      expect((await visit(topology, "client", GATEWAY, 8088, CLIENT)).outcome).toBe("served");
    await daemon.drain();
    await until(
      "the bucket has refilled",
      async () => (await visit(topology, "client", GATEWAY, 8088, CLIENT)).outcome === "served",
    );
    await until("it is active", async () => (await daemon.times("active")) === 5);
  });

  it("of kind wake_limit counts a flow once, however often its first packet is sent", async () => {
    await using topology = await Topology.create();
    // long enough for the client's system to send its SYN again
    const command = quick("tcp", "127.0.0.1:8080", 1.4);
    const udp = { name: "udp", mode: "udp" as const, endpoint: "127.0.0.1:5300", listen: "0.0.0.0:5353" };
    const frontend = { wake_limit: "2/10m" };
    await using daemon = await Daemon.start(topology, together(onDemand({ command, frontend }), onDemand({ ...udp, frontend })));
    for (let wake = 0; wake < 2; wake++) {
      const { outcome, ms } = await visit(topology, "client", GATEWAY, 8088);
      expect(outcome).toBe("served");
      expect(ms).toBeGreaterThan(1400);
      expect(await datagrams(topology, "client", GATEWAY, 5353, 10)).toHaveLength(10);
      await daemon.drain();
      await daemon.drain("udp");
    }
    expect((await daemon.frontend())?.limited).toBeUndefined();
    expect((await visit(topology, "client", GATEWAY, 8088)).outcome).toBe("refused");
    expect(await datagrams(topology, "client", GATEWAY, 5353, 1)).toEqual(["ConnectionRefusedError"]);
    expect((await daemon.frontend())?.limited).toBe(1);
    expect((await daemon.frontend("front-udp"))?.limited).toBe(1);
  });
});

/** A datagram from `source` and its answer. */
function ask(source: string): string {
  return `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("${source}", 0))
s.sendto(b"ping", ("${GATEWAY}", 5353))
print(s.recv(100).decode())`;
}
