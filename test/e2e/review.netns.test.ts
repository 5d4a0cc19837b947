/** What happens at the edges: packets that are strangers to their connection, flows from before the gateway, queues that are full. */
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { paced } from "../pace.ts";
import { visit } from "./clients.ts";
import { Daemon, until } from "./daemon.ts";
import { lasting, onDemand, PYTHON, together } from "./on-demand.ts";
import { GATEWAY, Topology } from "./topology.ts";

const EDGE = resolve(import.meta.dirname, "edge.py");

describe("edges", () => {
  it("takes over a UDP flow that began before the gateway did", async () => {
    await using topology = await Topology.create();
    // as on every machine with a firewall: connections are tracked before the daemon is there
    await topology.run(
      "gateway",
      "nft",
      "add table inet firewall { chain c { type filter hook input priority 0; ct state new accept; }; }",
    );
    const sending = topology.converse("client", PYTHON, EDGE, "keep-sending", GATEWAY, "5353");
    expect(await sending.hear()).toBe("refused");
    await using daemon = await Daemon.start(
      topology,
      onDemand({ mode: "udp", endpoint: "127.0.0.1:5300", listen: "0.0.0.0:5353" }),
    );
    await until("it is answered", async () => (await sending.hear()) === "answered");
    expect(await daemon.times("warming")).toBe(1);
  });

  it("does not reset a connection for a packet from outside its window", async () => {
    await using topology = await Topology.create();
    await using daemon = await Daemon.start(topology, onDemand({ command: lasting("127.0.0.1:8080") }));
    const { stdout, stderr } = await topology.run("client", PYTHON, EDGE, "out-of-window", GATEWAY, "8088");
    expect(stderr).toBe("");
    expect(stdout).toBe("lives");
    expect(await daemon.times("warming")).toBe(1);
  });

  it("wakes other targets while one is flooded with datagrams", async () => {
    await using topology = await Topology.create();
    const timeout = `${String(paced(30))}s`;
    const slow = onDemand({
      name: "slow",
      mode: "udp",
      endpoint: "127.0.0.1:5300",
      listen: "0.0.0.0:5353",
      command: `exec sleep ${String(paced(30))}`,
      target: { ready: { probe: "command", command: "false", timeout } },
      frontend: { hold: { timeout } },
    });
    await using daemon = await Daemon.start(topology, together(onDemand(), slow));
    await topology.run("client", PYTHON, EDGE, "datagrams", GATEWAY, "5353");
    expect(await visit(topology, "client", GATEWAY, 8088)).toMatchObject({ outcome: "served" });
    expect((await daemon.frontend("front-slow"))?.holding).toBeGreaterThan(200);
  });

  it("does not take a connection to itself for a service that is ready", async () => {
    await using topology = await Topology.create();
    await topology.run("gateway", "sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40007");
    const config = onDemand({
      endpoint: "127.0.0.1:40004",
      command: "exec sleep 30",
      target: { ready: { probe: "tcp", timeout: "3s" } },
    });
    await using daemon = await Daemon.start(topology, config);
    expect(await visit(topology, "client", GATEWAY, 8088)).toMatchObject({ outcome: "refused" });
    expect((await daemon.target())?.last_error).toMatch("not ready within");
  });

  it("gives the wildcard what the stopped frontend of a specific address leaves", async () => {
    await using topology = await Topology.create();
    const specific = onDemand({ name: "specific", endpoint: "127.0.0.1:8090", listen: `${GATEWAY}:8088` });
    const dataplane = { wildcard_overlap: "specific-wins" };
    await using daemon = await Daemon.start(topology, { ...together(onDemand(), specific), dataplane });
    await daemon.control("stop", "front-specific");
    expect(await visit(topology, "client", GATEWAY, 8088)).toMatchObject({ outcome: "served" });
    expect(await daemon.targetState("specific")).toBe("inactive");
    await daemon.drain();
    await daemon.control("start", "front-specific");
    expect(await visit(topology, "client", GATEWAY, 8088)).toMatchObject({ outcome: "served" });
    expect(await daemon.times("warming", "specific")).toBe(1);
  });
});
