/** The fast path, which takes a kernel with flowtables: what goes through it, and that the idle clock misses nothing of it. */
import { beforeAll, describe, expect, it } from "vitest";
import { Daemon, until } from "../e2e/daemon.ts";
import { KEEP, lasting, onDemandElsewhere, PYTHON, serve, together } from "../e2e/on-demand.ts";
import { BACKEND, BACKEND6, CLIENT, CLIENT6, type Conversation, GATEWAY, GATEWAY6, Topology } from "../e2e/topology.ts";
import { paced } from "../pace.ts";
import { inMachine } from "./machine.ts";

const FASTPATH = { dataplane: { fastpath: "on" } };

interface Case {
  name: string;
  port: number;
  flowTimeout: number;
  idleTimeout: number;
  frontend?: Record<string, unknown>;
}

/** A service on the backend that keeps connections open, and what leads to it. In seconds. */
async function elsewhere(topology: Topology, each: Case): Promise<ReturnType<typeof onDemandElsewhere>> {
  const { name, port, flowTimeout, idleTimeout, frontend } = each;
  const endpoint = `${BACKEND}:${String(port)}`;
  await serve(topology, "backend", endpoint, lasting(endpoint));
  return onDemandElsewhere([endpoint], {
    name,
    listen: `0.0.0.0:${String(port)}`,
    target: { idle_timeout: `${String(idleTimeout)}s` },
    frontend: { flow_timeout: `${String(flowTimeout)}s`, ...frontend },
  });
}

/** A client with an open connection that has had an answer, and another, so that the kernel has seen it established. */
async function connect(topology: Topology, port: number, gateway = GATEWAY, client = CLIENT): Promise<Conversation> {
  const conversation = topology.converse("client", PYTHON, KEEP, gateway, String(port));
  expect(await conversation.hear()).toBe(client);
  conversation.say("again");
  expect(await conversation.hear()).toBe(client);
  return conversation;
}

async function flows(topology: Topology, port: number, family = "ipv4"): Promise<string> {
  return (await topology.run("gateway", "conntrack", "-L", "-f", family, "-p", "tcp", "--orig-port-dst", String(port))).stdout;
}

const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

describe("the fast path", () => {
  beforeAll(inMachine);

  it("takes established flows, which keep their target up for as long as there is traffic, and no longer", async () => {
    await using topology = await Topology.create();
    const brief = { name: "brief", port: 8081, flowTimeout: 6, idleTimeout: 40 };
    // silent for longer than the kernel lets a flow have the fast path: 30 s
    const long = { name: "long", port: 8082, flowTimeout: 45, idleTimeout: 20 };
    const all = [await elsewhere(topology, brief), await elsewhere(topology, long)];
    await using daemon = await Daemon.start(topology, { ...together(...all), ...FASTPATH });
    const clients: Conversation[] = [];
    for (const { port } of [brief, long]) {
      clients.push(await connect(topology, port));
      expect(await flows(topology, port)).toContain("[OFFLOAD]");
    }

    const spoken = [0, 0];
    const begun = performance.now();
    while (performance.now() - begun < 50_000) {
      for (const [at, client] of clients.entries()) {
        client.say("again");
        spoken[at] = performance.now();
        expect(await client.hear()).toBe(CLIENT);
      }
      await pause(1000);
    }
    for (const { name } of [brief, long]) expect(await daemon.times("draining", name)).toBe(0);

    const heard = performance.now();
    const drained = async ({ name, flowTimeout, idleTimeout }: Case, at: number): Promise<void> => {
      await until(`${name} is drained`, async () => (await daemon.times("draining", name)) > 0, 60_000);
      // a flow that ends before the target could be idle makes no difference
      const due = (flowTimeout < idleTimeout ? idleTimeout : flowTimeout + idleTimeout) * 1000;
      expect(performance.now() - (spoken[at] ?? 0)).toBeGreaterThan(due);
      expect(performance.now() - heard).toBeLessThan(due + paced(1000));
    };
    await drained(brief, 0);
    await until("conntrack has it back", async () => /\d{5} ESTABLISHED/.test(await flows(topology, long.port)), 60_000);
    expect(await daemon.times("draining", long.name)).toBe(0);
    await drained(long, 1);
    for (const { name } of [brief, long])
      await until("it is stopped", async () => (await daemon.targetState(name)) === "inactive");
    for (const client of clients) {
      client.say("again");
      expect(await client.hear()).toMatch(/^(RemoteDisconnected|ConnectionResetError|BrokenPipeError)$/);
    }
  });

  it("is left by flows that are cut, and by those that are closed, at once", async () => {
    await using topology = await Topology.create();
    const once = { name: "once", port: 8081, flowTimeout: 300, idleTimeout: 3 };
    await using daemon = await Daemon.start(topology, { ...(await elsewhere(topology, once)), ...FASTPATH });
    const cut = await connect(topology, once.port);
    expect(await flows(topology, once.port)).toContain("[OFFLOAD]");
    const refusal = await daemon.control("drain", once.name);
    expect(`${refusal.stdout}${refusal.stderr}`).toContain("1 flow");
    await daemon.drain(once.name);
    cut.say("again");
    expect(await cut.hear()).toMatch(/^(RemoteDisconnected|ConnectionResetError|BrokenPipeError)$/);

    const closed = await connect(topology, once.port);
    expect(await flows(topology, once.port)).toContain("[OFFLOAD]");
    const drains = await daemon.times("draining", once.name);
    const end = performance.now();
    closed.hangUp();
    await until("it is drained", async () => (await daemon.times("draining", once.name)) > drains);
    expect(performance.now() - end).toBeGreaterThan(2900);
  });

  it("is not for flows that the idle clock is to tell from others", async () => {
    await using topology = await Topology.create();
    const watched = { name: "watched", port: 8081, flowTimeout: 60, idleTimeout: 60, frontend: { ignore: ["10.77.1.99"] } };
    await using daemon = await Daemon.start(topology, { ...(await elsewhere(topology, watched)), ...FASTPATH });
    const client = await connect(topology, watched.port);
    expect(await daemon.times("warming", watched.name)).toBe(1);
    expect(await flows(topology, watched.port)).toMatch(/ESTABLISHED/);
    expect(await flows(topology, watched.port)).not.toContain("[OFFLOAD]");
    client.hangUp();
  });

  it("has IPv6, and interfaces that come and go, also after the rules were flushed", async () => {
    await using topology = await Topology.create();
    const endpoint = `[${BACKEND6}]:8086`;
    await serve(topology, "backend", endpoint, lasting(endpoint));
    await using daemon = await Daemon.start(topology, {
      ...onDemandElsewhere([endpoint], { listen: "[::]:8086" }),
      ...FASTPATH,
    });
    const flowtable = (): Promise<string> => topology.shell("gateway", "nft list ruleset");
    const has = (name: string) => async (): Promise<boolean> =>
      new RegExp(`devices = \\{[^}]*\\b${name}\\b[^]*device "${name}"`).test(await flowtable());
    await topology.shell("gateway", "ip link add later type dummy");
    await until("the interface has the fast path", has("later"));
    await topology.shell("gateway", "nft flush ruleset");
    await until("all is there again", has("later"));
    await topology.shell("gateway", "ip link del later && nft flush ruleset");
    await until("all but the interface is there again", has("client"));
    expect(await flowtable()).not.toContain("later");
    await topology.shell("gateway", "ip link add later type dummy");
    await until("the new one has it", has("later"));
    const client = await connect(topology, 8086, GATEWAY6, CLIENT6);
    expect(await flows(topology, 8086, "ipv6")).toContain("[OFFLOAD]");
    client.hangUp();
    expect((await daemon.log()).filter(({ level }) => level === "ERROR")).toEqual([]);
    expect(await daemon.stop()).toBe(0);
    expect(await flowtable()).toBe("");
  });
});
