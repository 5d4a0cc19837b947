/** Stopping a service loses no client, and cuts no flow that is alive unless told to. */
import { describe, expect, it } from "vitest";
import { fewer, paced } from "../pace.ts";
import { visit } from "./clients.ts";
import { Daemon, until } from "./daemon.ts";
import { AROUND, KEEP, lasting, onDemand, onDemandElsewhere, PYTHON, serve, together } from "./on-demand.ts";
import { BACKEND, CLIENT, GATEWAY, Topology } from "./topology.ts";

describe("draining", () => {
  const each = fewer(125);

  it(
    `is never noticed by clients that come around that moment, ${String(4 * each)} times`,
    { timeout: paced(150_000) },
    async () => {
      await using topology = await Topology.create();
      const names = ["a", "b", "c", "d"];
      const idleMs = paced(200);
      const all = names.map((name, index) => {
        const [endpoint, listen] = [`127.0.0.1:${String(8080 + index)}`, `0.0.0.0:${String(9080 + index)}`];
        return onDemand({ name, endpoint, listen, target: { idle_timeout: `${String(idleMs)}ms` } });
      });
      await using daemon = await Daemon.start(topology, together(...all));
      const clients = names.map((name, index) => {
        const args = [GATEWAY, String(9080 + index), String(each), `around ${name}`, String(idleMs)];
        return topology.start("client", PYTHON, [AROUND, ...args]).ended;
      });
      for (const { stdout, stderr } of await Promise.all(clients)) {
        expect(stderr).toBe("");
        expect(JSON.parse(stdout)).toEqual({ [CLIENT]: each });
      }
      // most of them came while it was draining or after
      for (const name of names) expect(await daemon.times("inactive", name)).toBeGreaterThan(each / 6);
    },
  );

  it("is refused while flows are alive, and says how many; when forced, it cuts them", async () => {
    await using topology = await Topology.create();
    await using daemon = await Daemon.start(topology, onDemand({ command: lasting("127.0.0.1:8080") }));
    const clients = ["client", "gateway"].map((host) => topology.converse(host as "client", PYTHON, KEEP, GATEWAY, "8088"));
    for (const [client, address] of clients.map((each, index) => [each, [CLIENT, GATEWAY][index]] as const)) {
      expect(await client.hear()).toBe(address);
    }
    const refused = await daemon.control("drain", "backend");
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('2 flows are alive on "backend"; to cut them: proxygwctl drain backend --force');
    expect(await daemon.targetState()).toBe("active");
    clients[0]?.say("again");
    expect(await clients[0]?.hear()).toBe(CLIENT);

    expect((await daemon.control("drain", "backend", "--force")).exitCode).toBe(0);
    expect(await daemon.targetState()).toBe("inactive");
    expect(await topology.processes("gateway", "service.py")).toEqual([]);
    for (const client of clients) {
      client.say("again");
      expect(await client.hear()).toMatch(/^(RemoteDisconnected|ConnectionResetError|BrokenPipeError)$/);
    }
  });

  it("leaves old connections a reset, and the next new one wakes the target again", async () => {
    await using topology = await Topology.create();
    // on a machine of its own and not stopped by draining: the reset can only be the gateway's
    await serve(topology, "backend", `${BACKEND}:8080`, lasting(`${BACKEND}:8080`));
    await using daemon = await Daemon.start(topology, onDemandElsewhere([`${BACKEND}:8080`]));
    const remote = topology.converse("client", PYTHON, KEEP, GATEWAY, "8088");
    expect(await remote.hear()).toBe(CLIENT);
    const local = topology.converse("gateway", PYTHON, KEEP, GATEWAY, "8088");
    expect(await local.hear()).toBe(GATEWAY);
    await daemon.drain();
    for (const client of [remote, local]) {
      client.say("again");
      expect(await client.hear()).toBe("ConnectionResetError");
    }
    expect(await daemon.targetState()).toBe("inactive");
    expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
    await until("it is active", async () => (await daemon.times("active")) === 2);
  });
});
