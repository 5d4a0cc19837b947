/** Another configuration while the daemon runs: what did not change goes on as if nothing had happened. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { paced } from "../pace.ts";
import { keptOpen, steady, visit } from "./clients.ts";
import { Daemon, until } from "./daemon.ts";
import { lasting, onDemand, PYTHON, quick, together } from "./on-demand.ts";
import { CLIENT, GATEWAY, Topology } from "./topology.ts";

const LASTING = onDemand({ command: lasting("127.0.0.1:8080") });
const SECOND = onDemand({ name: "second", endpoint: "127.0.0.1:8081", listen: "0.0.0.0:8089" });

describe("reload", () => {
  let topology: Topology;
  let daemon: Daemon;

  beforeEach(async () => {
    topology = await Topology.create();
  });
  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
    await topology[Symbol.asyncDispose]();
  });

  async function reload(config: Record<string, unknown>): Promise<string> {
    await daemon.configure(config);
    const { exitCode, stdout, stderr } = await daemon.control("reload");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    return stdout;
  }

  const get = (port = 8088): ReturnType<typeof visit> => visit(topology, "client", GATEWAY, port);
  const served = { outcome: "served", answer: CLIENT };

  it("says what changed, and leaves alone what did not", async () => {
    daemon = await Daemon.start(topology, together(LASTING, SECOND));
    const client = await keptOpen(topology, GATEWAY, 8088);
    await until("it is active", async () => (await daemon.targetState()) === "active");
    const [pid] = await topology.processes("gateway", "service.py tcp 127.0.0.1 8080");
    expect(await reload(together(LASTING, SECOND))).toBe("nothing changed");
    const third = onDemand({ name: "third", endpoint: "127.0.0.1:8082", listen: "0.0.0.0:8090" });
    const shorter = onDemand({
      command: lasting("127.0.0.1:8080"),
      target: { idle_timeout: "1s" },
      frontend: { flow_timeout: "1m", deny: "192.0.2.1" },
    });
    expect((await reload(together(shorter, third))).split("\n")).toEqual([
      "added    target third",
      "removed  target second",
      "changed  target backend (idle_timeout)",
      "added    frontend front-third",
      "removed  frontend front-second",
      "changed  frontend front (flow_timeout, deny)",
    ]);
    expect(await client.ask()).toBe(CLIENT);
    expect(await topology.processes("gateway", "service.py tcp 127.0.0.1 8080")).toEqual([pid]);
    expect(await get(8090)).toMatchObject(served);
    expect((await get(8089)).outcome).toBe("refused");
    expect((await daemon.status()).targets.map(({ name }) => name)).toEqual(["backend", "third"]);
    // the new one counts from the last packet on
    await topology.shell("gateway", "conntrack -D -p tcp --reply-port-src 8080");
    await until("it is idle after the new idle_timeout", async () => (await daemon.targetState()) === "inactive", 5000);
  });

  it("changes nothing with a wrong file, and says where it is wrong", async () => {
    daemon = await Daemon.start(topology, LASTING);
    const before = [await topology.shell("gateway", "nft -s list ruleset"), (await daemon.status()).frontends];
    await daemon.configure({ ...LASTING, frontends: [{ ...LASTING.frontends[0], listen: "nowhere", flow_timout: "1m" }] });
    const { exitCode, stdout, stderr } = await daemon.control("reload");
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/proxygw\.yaml:\d+:\d+: .*\n/);
    expect(stderr).toContain("2 problems");
    daemon.signal("SIGHUP");
    const failed = async (): Promise<number> =>
      (await daemon.log()).filter(({ msg }) => String(msg).startsWith("the configuration was not reloaded")).length;
    await until("SIGHUP tells in the log", async () => (await failed()) === 2);
    await daemon.configure({ ...LASTING, dataplane: { queue: 77 } });
    expect((await daemon.control("reload")).stderr).toContain("dataplane cannot change while the daemon runs");
    expect([await topology.shell("gateway", "nft -s list ruleset"), (await daemon.status()).frontends]).toEqual(before);
    expect(await get()).toMatchObject(served);
  });

  it.each([
    ["not touched", {}],
    ["changed", { hold: { timeout: "20s" } }],
    ["made anew", { kind: "static:always" }],
  ])("keeps what is held by a frontend that is %s", async (_what, frontend) => {
    const slow = quick("tcp", "127.0.0.1:8080", 2);
    daemon = await Daemon.start(topology, onDemand({ command: slow }));
    const held = async (): Promise<boolean> => ((await daemon.frontend())?.holding ?? 0) === 1;
    const client = get();
    await until("it is held", held);
    // from 1 s on its SYN may have been sent again
    await reload(onDemand({ command: slow, frontend }));
    expect(await held()).toBe(true);
    expect(await client).toMatchObject(served);
    expect(await daemon.times("warming")).toBe(1);
  });

  it("makes a target anew that needs it, while its clients wait", async () => {
    daemon = await Daemon.start(topology, LASTING);
    expect(await get()).toMatchObject(served);
    await until("it is active", async () => (await daemon.targetState()) === "active");
    const clients = await steady(topology, 4, GATEWAY, 8088);
    for (const port of [8090, 8091, 8092]) {
      const endpoint = `127.0.0.1:${String(port)}`;
      const changed = onDemand({ command: lasting(endpoint), endpoint });
      expect(await reload(changed)).toContain("changed  target backend (endpoints, options): its service was stopped");
      await until("it is active again", async () => (await daemon.targetState()) === "active");
    }
    // those that were connected at the moment of the stop are cut, as they would be by any restart of their service
    const { outcomes } = await clients.end();
    const { [CLIENT]: answered = 0, ConnectionResetError: reset = 0, "cut short": short = 0, ...others } = outcomes;
    expect(others).toEqual({});
    expect(answered).toBeGreaterThan(20);
    expect(reset + short).toBeLessThanOrEqual(3 * 4);
    expect(await topology.processes("gateway", "service.py tcp 127.0.0.1")).toHaveLength(1);
  });

  it("lets two frontends exchange their addresses under traffic", async () => {
    const one = (listen: string): ReturnType<typeof onDemand> => onDemand({ name: "one", listen });
    const two = (listen: string): ReturnType<typeof onDemand> => onDemand({ name: "two", listen, endpoint: "127.0.0.1:8081" });
    daemon = await Daemon.start(topology, together(one("0.0.0.0:8088"), two("0.0.0.0:8089")));
    // After the exchange a client's port may come to an endpoint that remembers the same port from the other frontend. Its kernel takes
    // that connection for the former one (PAWS, RFC 7323 5.2), and the client's sends again a second later: no fault of the gateway.
    await topology.shell("gateway", "sysctl -qw net.ipv4.tcp_max_tw_buckets=0");
    const clients = await steady(topology, 8, GATEWAY, 8088, 8089);
    for (let round = 0; round < 10; round++) {
      const [first, second] = round % 2 === 0 ? ["0.0.0.0:8089", "0.0.0.0:8088"] : ["0.0.0.0:8088", "0.0.0.0:8089"];
      await reload(together(one(first), two(second)));
    }
    const { outcomes, slowest } = await clients.end();
    expect(Object.keys(outcomes)).toEqual([CLIENT]);
    expect(slowest).toBeLessThan(paced(0.9));
  });

  it("lets a flow of UDP go on whose client is denied, though it was never answered, and begins none", async () => {
    const silent = `exec ${PYTHON} -uc '
import socket
service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
service.bind(("127.0.0.1", 5300))
while True: print(service.recv(100).decode())'`;
    const config = (frontend: Record<string, unknown>): ReturnType<typeof onDemand> =>
      onDemand({ mode: "udp", endpoint: "127.0.0.1:5300", listen: "0.0.0.0:5353", command: silent, frontend });
    daemon = await Daemon.start(topology, config({}));
    const heard = async (): Promise<unknown[]> =>
      (await daemon.log()).filter(({ stream }) => stream === "output").map(({ msg }) => msg);
    const send = `
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.connect(("${GATEWAY}", 5353))
for line in sys.stdin: client.send(line.strip().encode())`;
    const [former, later] = [1, 2].map(() => topology.converse("client", PYTHON, "-c", send));
    former?.say("first");
    await until("its first datagram is there", async () => (await heard()).length === 1);
    await reload(config({ deny: CLIENT }));
    later?.say("of a denied client");
    await until("the new flow is denied", async () => ((await daemon.frontend())?.denied ?? 0) === 1);
    former?.say("second");
    await until("its second datagram is there", async () => (await heard()).length === 2);
    expect(await heard()).toEqual(["first", "second"]);
  });

  it("changes a page and a log without stopping anything", async () => {
    const page = (content: string): Record<string, unknown> => ({
      targets: onDemand().targets,
      frontends: [{ name: "front", kind: "static:http", listen: "0.0.0.0:8088", target: "backend:main", options: { content } }],
    });
    daemon = await Daemon.start(topology, page("one"));
    expect((await get()).answer).toBe("one");
    await daemon.drain();
    const log = join(daemon.directory, "other.log");
    expect(await reload({ ...page("two"), log: { output: log, format: "text" } })).toBe("changed  frontend front (options)");
    expect((await get()).answer).toBe("two");
    expect(await readFile(log, "utf8")).toContain('msg="configuration reloaded"');
  });
});
