/** What the engine tells plugins of real packets: counters, flows, and events. */
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import type { TrafficStatus } from "../../pkg/plugin/plugin.ts";
import { burst, keptOpen } from "./clients.ts";
import { until } from "./daemon.ts";
import { Observed } from "./observed.ts";
import { lasting, onDemand, onDemandElsewhere, PYTHON, serve, together } from "./on-demand.ts";
import { BACKEND, BACKEND6, CLIENT, CLIENT6, GATEWAY, GATEWAY6, type Host, Topology } from "./topology.ts";

const EXCHANGE = resolve(import.meta.dirname, "exchange.py");
const ANSWER = 300_000;
const DATAGRAM_ANSWER = 700;

/** Network and transport headers: without options, and with as many as a SYN has. */
const HEADERS = {
  tcp: { "4": [40, 60], "6": [60, 80] },
  udp: { "4": [28, 28], "6": [48, 48] },
} as const;

async function listen(topology: Topology, host: Host, protocol: "tcp" | "udp", address: string, port: number): Promise<void> {
  const size = protocol === "tcp" ? ANSWER : DATAGRAM_ANSWER;
  topology.start(host, PYTHON, [EXCHANGE, "serve", protocol, address, String(port), String(size)]);
  const flag = protocol === "tcp" ? "-Hltn" : "-Hlun";
  const bound = `${address.includes(":") ? `[${address}]` : address}:${String(port)}`;
  await until(`${bound} listens`, async () => (await topology.run(host, "ss", flag)).stdout.includes(bound));
}

/** Sends so many bytes, so often. @throws unless all came back */
async function send(
  topology: Topology,
  host: Host,
  protocol: "tcp" | "udp",
  address: string,
  port: number,
  bytes: number,
  count: number,
): Promise<void> {
  const args = [EXCHANGE, "send", protocol, address, String(port), String(bytes), String(count)];
  const { stdout, stderr } = await topology.run(host, PYTHON, ...args);
  expect(stdout, stderr).toBe(String(count * (protocol === "tcp" ? ANSWER : DATAGRAM_ANSWER)));
}

function difference(before: TrafficStatus, after: TrafficStatus): TrafficStatus {
  const names = Object.keys(before) as (keyof TrafficStatus)[];
  return Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as unknown as TrafficStatus;
}

/** What `work` gives, tried again when a segment had to be sent twice meanwhile, as on a busy machine it may. */
async function withoutRetransmission<T>(topology: Topology, work: () => Promise<T>): Promise<T> {
  const segments = async (): Promise<string[]> =>
    Promise.all(
      (["client", "gateway", "backend"] as const).map((host) =>
        topology.shell(host, "awk '/^Tcp: [0-9]/ { print $13 }' /proc/net/snmp"),
      ),
    );
  for (;;) {
    const before = await segments();
    const result = await work();
    if ((await segments()).join() === before.join()) return result;
  }
}

function expectBytes(bytes: number, packets: number, sent: number, [least, most]: readonly [number, number]): void {
  expect(packets).toBeGreaterThan(0);
  expect(bytes - sent).toBeGreaterThanOrEqual(packets * least);
  expect(bytes - sent).toBeLessThanOrEqual(packets * most);
}

describe("what the engine tells", () => {
  it.each<[string, { host: Host; protocol: "tcp" | "udp"; endpoint: string; on: Host; address: string }]>([
    ["TCP to another host", { host: "client", protocol: "tcp", endpoint: BACKEND, on: "backend", address: GATEWAY }],
    ["TCP to another host over IPv6", { host: "client", protocol: "tcp", endpoint: BACKEND6, on: "backend", address: GATEWAY6 }],
    ["UDP to another host", { host: "client", protocol: "udp", endpoint: BACKEND, on: "backend", address: GATEWAY }],
    ["UDP to another host over IPv6", { host: "client", protocol: "udp", endpoint: BACKEND6, on: "backend", address: GATEWAY6 }],
    ["TCP to the gateway itself", { host: "client", protocol: "tcp", endpoint: "127.0.0.1", on: "gateway", address: GATEWAY }],
    ["UDP to the gateway itself", { host: "client", protocol: "udp", endpoint: "127.0.0.1", on: "gateway", address: GATEWAY }],
    [
      "TCP on the gateway itself",
      { host: "gateway", protocol: "tcp", endpoint: "127.0.0.1", on: "gateway", address: "127.0.0.1" },
    ],
    ["TCP on the gateway, IPv6", { host: "gateway", protocol: "tcp", endpoint: GATEWAY6, on: "gateway", address: GATEWAY6 }],
    ["UDP on the gateway itself", { host: "gateway", protocol: "udp", endpoint: "127.0.0.1", on: "gateway", address: GATEWAY }],
    ["TCP from the gateway", { host: "gateway", protocol: "tcp", endpoint: BACKEND, on: "backend", address: GATEWAY }],
  ])("counts what is sent, once, each way: %s", async (_what, { host, protocol, endpoint, on, address }) => {
    await using topology = await Topology.create();
    await listen(topology, on, protocol, endpoint, 8080);
    const bracketed = endpoint.includes(":") ? `[${endpoint}]:8080` : `${endpoint}:8080`;
    const mode = protocol === "tcp" ? "tcp" : "udp";
    const listens = ["0.0.0.0:8088", "[::]:8088"].filter((each) => each.includes("[") === endpoint.includes(":"));
    await using observed = await Observed.start(topology, onDemandElsewhere([bracketed], { mode, listen: listens }));
    const [bytes, count] = protocol === "tcp" ? [200_000, 3] : [1000, 5];
    const told = await withoutRetransmission(topology, async () => {
      const before = await observed.traffic("backend");
      await send(topology, host, protocol, address, 8088, bytes, count);
      return difference(before, await observed.traffic("backend"));
    });
    const answered = count * (protocol === "tcp" ? ANSWER : DATAGRAM_ANSWER);
    const headers = HEADERS[protocol][endpoint.includes(":") ? "6" : "4"];
    expect(told.connections).toBe(protocol === "tcp" ? count : 1);
    expectBytes(told.bytes_in, told.packets_in, bytes * count, headers);
    expectBytes(told.bytes_out, told.packets_out, answered, headers);
    if (protocol === "udp") expect([told.packets_in, told.packets_out]).toEqual([count, count]);
  });

  it("tells the packets of frontends that share an endpoint apart", async () => {
    await using topology = await Topology.create();
    await listen(topology, "backend", "udp", BACKEND, 8080);
    const { targets, frontends } = onDemandElsewhere([`${BACKEND}:8080`], { mode: "udp" });
    const second = { ...frontends[0], name: "second", listen: `${GATEWAY}:8089` };
    await using observed = await Observed.start(topology, { targets, frontends: [...frontends, second] });
    await observed.ask("warm backend");
    await send(topology, "client", "udp", GATEWAY, 8088, 1000, 2);
    await send(topology, "client", "udp", GATEWAY, 8089, 500, 3);
    const counts = (packets: number, bytes: number) => ({
      connections: 1,
      packets_in: packets,
      bytes_in: packets * (bytes + 28),
      packets_out: packets,
      bytes_out: packets * (DATAGRAM_ANSWER + 28),
    });
    const { status } = await observed.ask("status");
    const told = new Map(status?.frontends?.map(({ name, traffic }) => [name, traffic]));
    expect(told.get("front")).toMatchObject(counts(2, 1000));
    expect(told.get("second")).toMatchObject(counts(3, 500));
    expect(await observed.traffic("backend")).toMatchObject({ packets_in: 5, packets_out: 5 });
  });

  it("counts clients in ignore, and goes on counting after drains", async () => {
    await using topology = await Topology.create();
    await listen(topology, "backend", "udp", BACKEND, 8080);
    const frontend = { ignore: [CLIENT] };
    await using observed = await Observed.start(topology, onDemandElsewhere([`${BACKEND}:8080`], { mode: "udp", frontend }));
    for (let round = 1; round <= 3; round++) {
      await observed.ask("warm backend");
      await send(topology, "client", "udp", GATEWAY, 8088, 1000, 2);
      const { packets_in, bytes_in, packets_out, connections, flows } = await observed.traffic("backend");
      expect({ packets_in, bytes_in, packets_out, connections }).toEqual({
        packets_in: 2 * round,
        bytes_in: 2 * round * 1028,
        packets_out: 2 * round,
        connections: round,
      });
      expect(flows).toBe(1);
      expect((await observed.flows())[0]).toMatchObject({ ignored: true, source: expect.stringContaining(CLIENT) as string });
      await observed.ask("drain backend");
      expect((await observed.traffic("backend")).flows).toBe(0);
    }
  });

  it("goes on counting after somebody has deleted the table", async () => {
    await using topology = await Topology.create();
    await listen(topology, "backend", "udp", BACKEND, 8080);
    await using observed = await Observed.start(topology, onDemandElsewhere([`${BACKEND}:8080`], { mode: "udp" }));
    await send(topology, "client", "udp", GATEWAY, 8088, 1000, 4);
    expect((await observed.traffic("backend")).packets_in).toBe(4);
    await topology.shell("gateway", "nft flush ruleset");
    await until("the table is there again", async () => {
      await send(topology, "client", "udp", GATEWAY, 8088, 1000, 1).catch(() => undefined);
      return (await observed.traffic("backend")).packets_in > 4;
    });
    expect((await observed.traffic("backend")).connections).toBeGreaterThanOrEqual(2);
  });

  it("tells the flows that are alive, by target and frontend", async () => {
    await using topology = await Topology.create();
    await serve(topology, "backend", `${BACKEND}:8080`, lasting(`${BACKEND}:8080`));
    await serve(topology, "backend", `[${BACKEND6}]:8080`, lasting(`[${BACKEND6}]:8080`));
    await listen(topology, "backend", "udp", BACKEND, 5300);
    const dual = { listen: ["0.0.0.0:8088", "[::]:8088"], frontend: { flow_timeout: "90s" } };
    const config = together(
      onDemandElsewhere([`${BACKEND}:8080`, `[${BACKEND6}]:8080`], { name: "web", ...dual }),
      onDemandElsewhere([`${BACKEND}:5300`], { name: "dns", mode: "udp", listen: `${GATEWAY}:53` }),
    );
    await using observed = await Observed.start(topology, config);
    await keptOpen(topology, GATEWAY, 8088);
    await keptOpen(topology, GATEWAY6, 8088);
    await send(topology, "client", "udp", GATEWAY, 53, 100, 1);
    const flows = await observed.flows();
    const client = (address: string): string => expect.stringContaining(address) as string;
    const web = { target: "web", frontend: "front-web", endpoint: "main", protocol: "tcp", state: "ESTABLISHED" };
    const alive = expect.any(Number) as number;
    expect(flows).toEqual([
      {
        ...web,
        source: client(CLIENT6),
        listen: `[${GATEWAY6}]:8088`,
        endpoint_address: `[${BACKEND6}]:8080`,
        expires_in_s: alive,
      },
      { ...web, source: client(CLIENT), listen: `${GATEWAY}:8088`, endpoint_address: `${BACKEND}:8080`, expires_in_s: alive },
      {
        ...{ target: "dns", frontend: "front-dns", endpoint: "main", protocol: "udp", source: client(CLIENT) },
        ...{ listen: `${GATEWAY}:53`, endpoint_address: `${BACKEND}:5300`, expires_in_s: alive },
      },
    ]);
    expect(flows[0]?.expires_in_s).toBeGreaterThan(45);
    expect(flows[0]?.expires_in_s).toBeLessThanOrEqual(90);
    expect((await observed.traffic("web")).flows).toBe(2);
  });

  it("tells the story of a cold wake, of what gates turn away, and of the end", async () => {
    await using topology = await Topology.create();
    const held = onDemand({ frontend: { deny: [GATEWAY] } });
    await using observed = await Observed.start(topology, held);
    await topology.run("gateway", "curl", "-s", "--max-time", "1", `http://${GATEWAY}:8088/`);
    expect(await burst(topology, "client", 1, GATEWAY, 8088)).toMatchObject({ answers: { [CLIENT]: 1 } });
    await observed.ask("gates");
    await observed.ask("drain backend");
    const story = observed.events.flatMap(({ at, ...event }) => {
      expect(new Date(at).toISOString()).toBe(at);
      return event.type === "transaction" || event.type === "frontend_state" ? [] : [event];
    });
    const source = expect.stringMatching(`^${CLIENT}:\\d+$`) as string;
    const ms = expect.any(Number) as number;
    const by = { target: "backend", frontend: "front", source };
    const wake = { reason: expect.stringContaining("first packet") as string, frontend: "front", source };
    expect(story).toEqual([
      { type: "hold", ...by },
      { type: "target_state", target: "backend", from: "inactive", to: "warming", ...wake },
      { type: "release", ...by, outcome: "passed", held_ms: ms },
      { type: "target_state", target: "backend", from: "warming", to: "active", ...wake, took_ms: ms },
      { type: "refusal", target: "backend", frontend: "front", gate: "denied", packets: ms },
      { type: "target_state", target: "backend", from: "active", to: "draining", reason: "asked to" },
      { type: "target_state", target: "backend", from: "draining", to: "inactive", reason: "asked to" },
    ]);
    const transactions = observed.events.filter(({ type }) => type === "transaction");
    expect(transactions.length).toBeGreaterThan(1);
    for (const each of transactions) expect(each).toEqual({ type: "transaction", at: expect.any(String) as string, took_ms: ms });
  });
});
