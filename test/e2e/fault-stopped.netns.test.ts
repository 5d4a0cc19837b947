/** A daemon that stands still while its clients do not: suspended, or the machine has no time for it. */
import { describe, expect, it } from "vitest";
import { paced } from "../pace.ts";
import { visit } from "./clients.ts";
import { Daemon, until } from "./daemon.ts";
import { FLOOD, KEEP, lasting, onDemand, onDemandElsewhere, PYTHON, serve, together } from "./on-demand.ts";
import { CLIENT, GATEWAY, Topology } from "./topology.ts";

const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

describe("a daemon that is stopped and continued", () => {
  it("had active targets served meanwhile; held clients wait for it; what was due is done at once", async () => {
    await using topology = await Topology.create();
    const warm = onDemand({
      name: "warm",
      endpoint: "127.0.0.1:8081",
      listen: "0.0.0.0:8089",
      command: lasting("127.0.0.1:8081"),
      target: { idle_timeout: "2s" },
      frontend: { flow_timeout: "1s" },
    });
    await using daemon = await Daemon.start(topology, together(onDemand(), warm));
    const keeper = topology.converse("client", PYTHON, KEEP, GATEWAY, "8089");
    expect(await keeper.hear()).toBe(CLIENT);
    await until("it is active", async () => (await daemon.targetState("warm")) === "active");
    daemon.signal("SIGSTOP");
    keeper.say("again");
    expect(await keeper.hear()).toBe(CLIENT);
    let answered = false;
    const held = visit(topology, "client", GATEWAY, 8088).finally(() => (answered = true));
    const direct = visit(topology, "client", GATEWAY, 8089);
    expect((await direct).answer).toBe(CLIENT);
    await pause(4000);
    expect(answered).toBe(false);
    daemon.signal("SIGCONT");
    const continued = performance.now();
    expect((await held).answer).toBe(CLIENT);
    expect(performance.now() - continued).toBeLessThan(paced(2500));
    await until("the idle one is stopped", async () => (await daemon.targetState("warm")) === "inactive", 2500);
    expect((await visit(topology, "client", GATEWAY, 8089)).answer).toBe(CLIENT);
    expect((await daemon.log()).filter(({ level }) => level === "ERROR")).toEqual([]);
  });

  it("was flooded meanwhile beyond what the kernel keeps for it: says so, and its clients get in by trying again", async () => {
    await using topology = await Topology.create();
    await topology.shell(
      "gateway",
      "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.client.rp_filter=0; ip route add 10.99.0.0/16 dev client",
    );
    const flooded = onDemandElsewhere(["127.0.0.1:8080"], {
      frontend: { hold: { max_flows: 100, timeout: "2s" } },
      target: { ready: { probe: "tcp", timeout: "1m" } },
    });
    const other = onDemand({ name: "other", endpoint: "127.0.0.1:8081", listen: "0.0.0.0:8089" });
    await using daemon = await Daemon.start(topology, together(flooded, other), "INFO");
    daemon.signal("SIGSTOP");
    const flood = topology.converse("client", PYTHON, FLOOD, GATEWAY, "8088", "60000");
    expect(await flood.hear()).toBe("begun");
    expect(await flood.hear()).toBe("sent 60000");
    // its first packets find no room
    const client = visit(topology, "client", GATEWAY, 8089);
    await pause(1500);
    daemon.signal("SIGCONT");
    expect((await client).answer).toBe(CLIENT);
    await until("it says so", async () => (await daemon.log()).some(({ msg }) => String(msg).startsWith("packets came faster")));
    const front = await daemon.frontend();
    expect(front?.held).toBeGreaterThanOrEqual(100);
    await until("those that only took up room are gone", async () => ((await daemon.frontend())?.holding ?? 0) === 0);
    await serve(topology, "gateway", "127.0.0.1:8080");
    await until("clients are served", async () => (await visit(topology, "client", GATEWAY, 8088)).outcome === "served");
    expect((await daemon.log()).filter(({ level }) => level === "ERROR")).toEqual([]);
  });
});
