import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { gate } from "../../pkg/clock/gate.ts";
import { parseConfig } from "../../pkg/config/load.ts";
import { FakeEngine } from "../../pkg/plugin/fake-engine.ts";
import type { EngineEvent, FrontendStatus, Status, TargetStatus, TrafficStatus } from "../../pkg/plugin/plugin.ts";
import { Registry } from "../../pkg/plugin/registry.ts";
import { paced } from "../../test/pace.ts";
import type { MetricsConfig } from "./metrics-config.ts";
import plugin, { metricsPlugin } from "./plugin.ts";

const AT = "2026-01-02T03:04:05.500Z";
const TRAFFIC: TrafficStatus = { flows: 2, connections: 7, packets_in: 30, bytes_in: 4000, packets_out: 50, bytes_out: 60_000 };
const TARGET: TargetStatus = {
  name: "game",
  kind: "static:cmd",
  state: "active",
  since: AT,
  idle_timeout_ms: 90_000,
  endpoints: [],
};
const FRONTEND: FrontendStatus = {
  name: "public",
  kind: "static:on-demand",
  state: "running",
  since: AT,
  protocol: "udp",
  listen: "0.0.0.0:1",
  target_name: "game",
  endpoint_name: "play",
  proxyaddress: "127.0.0.1:2",
};
const STATUS: Status = {
  closed: false,
  targets: [
    {
      ...TARGET,
      idle_due: "2026-01-02T03:05:05Z",
      wakes: 3,
      drains: 2,
      failures: 1,
      last_wake: { reason: "r", at: AT, took_ms: 5 },
      traffic: TRAFFIC,
    },
  ],
  frontends: [
    {
      ...FRONTEND,
      holding: 1,
      held: 9,
      timed_out: 2,
      denied: 4,
      ignored: 5,
      limited: 6,
      overflowed: 8,
      traffic: { ...TRAFFIC, flows: 1, connections: 4, bytes_in: 3000 },
    },
  ],
};

function configured(config: unknown): MetricsConfig {
  const registry = new Registry([{ source: "metrics", namespace: "metrics", plugin }]);
  const text = JSON.stringify({ version: "v1", plugins: { metrics: config } });
  return parseConfig(text, "test.yaml", registry).plugins.get("metrics") as MetricsConfig;
}

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly body: string;
}

function ask(socketPath: string, path = "/metrics", method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, method, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (body += chunk));
      response.on("end", () => {
        resolve({ status: response.statusCode, type: response.headers["content-type"], body });
      });
    });
    asked.on("error", reject);
    asked.end();
  });
}

/** By name and labels, of what is this project's. */
function values(body: string): Record<string, number> {
  const lines = body.split("\n").filter((line) => line.startsWith("proxygw_"));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

describe("the configuration of metrics", () => {
  it.each([{ listen: "127.0.0.1:9469" }, { socket: "/run/m.sock", group: "adm", timeout: "1m" }])("takes %j", (config) => {
    expect(configured(config)).toMatchObject({ timeout: "5s", ...config });
  });

  it.each([
    [{}, 'it is not said where metrics are served; expected "listen" (such as "127.0.0.1:9469") or "socket"'],
    [{ listen: "127.0.0.1:1", socket: "/x" }, '"listen" and "socket" exclude each other'],
    [{ listen: "localhost:9469" }, "a host name is not accepted, only an IP address"],
    [{ listen: "127.0.0.1" }, "the port is missing"],
    [{ listen: "127.0.0.1:1", group: "adm" }, '"group" is for a socket only'],
    [{ socket: "run/x" }, "socket"],
    [{ listen: "127.0.0.1:1", timeout: "5" }, "a unit is missing"],
    [{ listen: "127.0.0.1:1", timeout: "10ms" }, '"10ms" is not between 100ms and 1m'],
    [{ listen: "127.0.0.1:1", path: "/x" }, 'unknown key "path"'],
  ])("refuses %j: %s", (config, message) => {
    expect(() => configured(config)).toThrow(message);
  });
});

describe("the metrics plugin", () => {
  let directory: string;
  let socket: string;
  let engine: FakeEngine;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "proxygw-metrics-"));
    socket = join(directory, "sock");
    engine = new FakeEngine();
    engine.current = STATUS;
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  async function load(config: unknown = { socket }): Promise<() => Promise<void>> {
    const loaded = metricsPlugin();
    await loaded.onLoad?.(configured(config), engine, "metrics");
    const unload = async (): Promise<void> => {
      await loaded.onUnload?.();
    };
    onTestFinished(unload);
    return unload;
  }

  async function scrape(): Promise<Record<string, number>> {
    const { status, body } = await ask(socket);
    expect(status, body).toBe(200);
    // a reading is used for a second
    await engine.clock.advance(1000);
    return values(body);
  }

  it("does nothing without configuration", async () => {
    const loaded = metricsPlugin();
    await loaded.onLoad?.(undefined, engine, "metrics");
    expect([engine.listeners.size, engine.log.entries]).toEqual([0, []]);
    await loaded.onUnload?.();
  });

  it("serves what the status tells", async () => {
    await load();
    const found = await scrape();
    expect(engine.calls).toEqual(['status {"traffic":true}']);
    const at = Date.parse(AT) / 1000;
    const target = 'target="game"';
    const frontend = 'frontend="public",target="game"';
    expect(found).toMatchObject({
      [`proxygw_target_info{${target},kind="static:cmd"}`]: 1,
      [`proxygw_target_state{${target},state="active"}`]: 1,
      [`proxygw_target_state{${target},state="inactive"}`]: 0,
      [`proxygw_target_state{${target},state="warming"}`]: 0,
      [`proxygw_target_state{${target},state="draining"}`]: 0,
      [`proxygw_target_state_since_timestamp_seconds{${target}}`]: at,
      [`proxygw_target_idle_timeout_seconds{${target}}`]: 90,
      [`proxygw_target_idle_due_timestamp_seconds{${target}}`]: Date.parse("2026-01-02T03:05:05Z") / 1000,
      [`proxygw_target_wakes_total{${target}}`]: 3,
      [`proxygw_target_drains_total{${target}}`]: 2,
      [`proxygw_target_failures_total{${target}}`]: 1,
      [`proxygw_target_last_wake_timestamp_seconds{${target}}`]: at,
      [`proxygw_target_flows{${target}}`]: 2,
      [`proxygw_target_connections_total{${target}}`]: 7,
      [`proxygw_target_traffic_bytes_total{${target},direction="in"}`]: 4000,
      [`proxygw_target_traffic_bytes_total{${target},direction="out"}`]: 60_000,
      [`proxygw_target_traffic_packets_total{${target},direction="in"}`]: 30,
      [`proxygw_target_traffic_packets_total{${target},direction="out"}`]: 50,
      [`proxygw_frontend_info{${frontend},kind="static:on-demand",endpoint="play",protocol="udp"}`]: 1,
      [`proxygw_frontend_state{${frontend},state="running"}`]: 1,
      [`proxygw_frontend_state{${frontend},state="stopped"}`]: 0,
      [`proxygw_frontend_failed{${frontend}}`]: 0,
      [`proxygw_frontend_held_flows{${frontend}}`]: 1,
      [`proxygw_frontend_holds_total{${frontend}}`]: 9,
      [`proxygw_frontend_hold_timeouts_total{${frontend}}`]: 2,
      [`proxygw_frontend_refused_packets_total{${frontend},reason="denied"}`]: 4,
      [`proxygw_frontend_refused_packets_total{${frontend},reason="ignored"}`]: 5,
      [`proxygw_frontend_refused_packets_total{${frontend},reason="limited"}`]: 6,
      [`proxygw_frontend_refused_packets_total{${frontend},reason="overflowed"}`]: 8,
      [`proxygw_frontend_flows{${frontend}}`]: 1,
      [`proxygw_frontend_traffic_bytes_total{${frontend},direction="in"}`]: 3000,
      [`proxygw_frontend_traffic_bytes_total{${frontend},direction="out"}`]: 60_000,
      [`proxygw_frontend_traffic_packets_total{${frontend},direction="in"}`]: 30,
      [`proxygw_frontend_traffic_packets_total{${frontend},direction="out"}`]: 50,
      [`proxygw_frontend_connections_total{${frontend}}`]: 4,
      'proxygw_build_info{version="0.0.0-dev"}': 1,
      'proxygw_reloads_total{result="success"}': 0,
      proxygw_last_reload_successful: 1,
    });
    // counters are read anew, not added up
    expect(await scrape()).toEqual(found);
  });

  it("has counters of 0 for what has not happened yet, and leaves out what is not known", async () => {
    engine.current = { closed: false, targets: [TARGET], frontends: [FRONTEND] };
    await load();
    const found = await scrape();
    expect(found['proxygw_target_wakes_total{target="game"}']).toBe(0);
    expect(found['proxygw_frontend_refused_packets_total{frontend="public",target="game",reason="denied"}']).toBe(0);
    expect(Object.keys(found).filter((each) => /traffic|flows\{target|last_wake|idle_due/.test(each))).toEqual([]);
  });

  it("counts and times what events tell", async () => {
    await load();
    const events: EngineEvent[] = [
      { type: "target_state", at: AT, target: "game", from: "inactive", to: "warming" },
      { type: "target_state", at: AT, target: "game", from: "warming", to: "active", took_ms: 300 },
      { type: "target_state", at: AT, target: "game", from: "draining", to: "active" },
      { type: "hold", at: AT, frontend: "public", target: "game", source: "192.0.2.1:1" },
      { type: "release", at: AT, frontend: "public", target: "game", source: "192.0.2.1:1", outcome: "passed", held_ms: 310 },
      { type: "refusal", at: AT, frontend: "public", target: "game", gate: "denied", packets: 1 },
      { type: "transaction", at: AT, took_ms: 6 },
      { type: "transaction", at: AT, took_ms: 9, error: "nft" },
      { type: "frontend_state", at: AT, frontend: "public", target: "game", from: "starting", to: "stopped", error: "e" },
      { type: "reload", at: AT, report: {} },
      { type: "reload", at: AT, report: { failures: [{ name: "game", error: "e" }] } },
      { type: "reload", at: "2026-02-02T03:04:05Z", error: "wrong" },
    ];
    for (const event of events) engine.emit(event);
    const passed = 'frontend="public",target="game",outcome="passed"';
    const found = await scrape();
    expect(found).toMatchObject({
      'proxygw_target_wake_duration_seconds_bucket{le="0.25",target="game"}': 0,
      'proxygw_target_wake_duration_seconds_bucket{le="0.5",target="game"}': 1,
      'proxygw_target_wake_duration_seconds_sum{target="game"}': 0.3,
      'proxygw_target_wake_duration_seconds_count{target="game"}': 1,
      [`proxygw_frontend_hold_duration_seconds_sum{${passed}}`]: 0.31,
      [`proxygw_frontend_hold_duration_seconds_count{${passed}}`]: 1,
      proxygw_nft_transaction_duration_seconds_count: 2,
      proxygw_nft_transaction_failures_total: 1,
      'proxygw_frontend_failed{frontend="public",target="game"}': 1,
      'proxygw_reloads_total{result="success"}': 1,
      'proxygw_reloads_total{result="partial"}': 1,
      'proxygw_reloads_total{result="failure"}': 1,
      proxygw_last_reload_successful: 0,
      proxygw_last_successful_load_timestamp_seconds: Date.parse(AT) / 1000,
    });
    engine.emit({ type: "frontend_state", at: AT, frontend: "public", target: "game", from: "stopped", to: "starting" });
    expect((await scrape())['proxygw_frontend_failed{frontend="public",target="game"}']).toBe(0);
  });

  it("has no series left of what is configured no more", async () => {
    await load();
    engine.emit({ type: "target_state", at: AT, target: "game", from: "warming", to: "active", took_ms: 300 });
    const release = { type: "release", at: AT, frontend: "public", target: "game", source: "x", held_ms: 310 } as const;
    for (const outcome of ["passed", "dropped"] as const) engine.emit({ ...release, outcome });
    expect(Object.keys(await scrape()).filter((each) => each.includes("game")).length).toBeGreaterThan(50);
    engine.current = { closed: false, targets: [{ ...TARGET, name: "other" }] };
    const left = Object.keys(await scrape());
    expect(left.filter((each) => /game|public/.test(each))).toEqual([]);
    expect(left.filter((each) => each.includes('target="other"'))).not.toEqual([]);
  });

  it("writes names as Prometheus reads them", async () => {
    engine.current = { closed: false, targets: [{ ...TARGET, name: 'a"b\\c\nd, e={}' }] };
    await load();
    expect(await scrape()).toMatchObject({ 'proxygw_target_wakes_total{target="a\\"b\\\\c\\nd, e={}"}': 0 });
  });

  it("serves at its path only, for GET and HEAD only", async () => {
    await load();
    expect(await ask(socket, "/metrics?a=b")).toMatchObject({ status: 200, type: "text/plain; version=0.0.4; charset=utf-8" });
    expect(await ask(socket, "/metrics", "HEAD")).toMatchObject({ status: 200, body: "" });
    expect(await ask(socket, "/")).toMatchObject({ status: 404, body: "not found; metrics are at /metrics\n" });
    expect(await ask(socket, "/metrics", "POST")).toMatchObject({ status: 405, body: "only GET and HEAD\n" });
  });

  it("has the names of the process metrics that others have, and no gauge that is named like a counter", async () => {
    await load();
    const { body } = await ask(socket);
    expect(body).toMatch(/^process_cpu_seconds_total [0-9.]+$/m);
    expect(body).toMatch(/^process_resident_memory_bytes [0-9]+$/m);
    expect(body).toMatch(/^nodejs_eventloop_lag_seconds /m);
    expect([...body.matchAll(/^# TYPE (\S+_total) (?!counter)/gm)]).toEqual([]);
  });

  it("reads once for all who ask at the same time, and at most once a second", async () => {
    await load();
    const { promise, open } = gate();
    let readings = 0;
    engine.status = async () => {
      readings += 1;
      await promise;
      return STATUS;
    };
    const asked = Promise.all([1, 2, 3].map(() => ask(socket)));
    await expect.poll(() => engine.clock.sleeping, { timeout: paced(5000) }).toBe(3);
    open();
    expect((await asked).map(({ status }) => status)).toEqual([200, 200, 200]);
    await ask(socket);
    expect(readings).toBe(1);
    await engine.clock.advance(1000);
    await ask(socket);
    expect(readings).toBe(2);
    expect(engine.clock.sleeping).toBe(0);
  });

  it("answers with 503 when the status cannot be had, or not in time; then with what is had after all", async () => {
    await load();
    const { promise, open } = gate();
    engine.status = async () => {
      await promise;
      return STATUS;
    };
    const asked = ask(socket);
    await expect.poll(() => engine.clock.sleeping, { timeout: paced(5000) }).toBe(1);
    await engine.clock.advance(5000);
    expect(await asked).toMatchObject({
      status: 503,
      body: "the packet path's counters could not be read within 5s; the next scrape tries again\n",
    });
    open();
    await expect.poll(async () => (await ask(socket)).status, { timeout: paced(5000) }).toBe(200);
    engine.status = () => Promise.reject(new Error("nft is gone"));
    await engine.clock.advance(1000);
    expect(await ask(socket)).toMatchObject({ status: 503, body: "nft is gone\n" });
    expect(await ask(socket)).toMatchObject({ status: 503 });
    expect(engine.log.entries.filter(({ message }) => message === "metrics could not be read")).toHaveLength(2);
    engine.status = () => Promise.resolve(STATUS);
    expect(await ask(socket)).toMatchObject({ status: 200 });
  });

  it("ends connections, removes its socket and hears of nothing more once it is unloaded", async () => {
    const unload = await load();
    expect((await stat(socket)).mode & 0o777).toBe(0o660);
    expect(engine.listeners.size).toBe(1);
    await ask(socket);
    await unload();
    expect([existsSync(socket), engine.listeners.size]).toEqual([false, 0]);
    await unload();
  });

  it("replaces a stale socket, and nothing else", async () => {
    const dead = createServer().listen(`${socket}.dead`);
    await once(dead, "listening");
    await rename(`${socket}.dead`, socket);
    dead.close();
    await once(dead, "close");
    const unload = await load();
    expect((await ask(socket)).status).toBe(200);
    await expect(load()).rejects.toMatchObject({
      code: "SOCKET_IN_USE",
      message: expect.stringContaining(`the metrics socket ${socket} cannot be opened: a process listens on it`) as string,
    });
    await unload();
    await writeFile(socket, "precious");
    await expect(load()).rejects.toThrow("it is a file and not a socket");
    await expect(load({ socket: join(directory, "none/sock") })).rejects.toThrow(
      `the directory ${directory}/none does not exist`,
    );
    await expect(load({ socket: `${socket}2`, group: "no-such-group" })).rejects.toMatchObject({ code: "GROUP_UNKNOWN" });
    expect(engine.listeners.size).toBe(0);
  });

  it("listens on an address, and says what keeps it from that", async () => {
    const listen = `127.0.0.1:${String(await freePort())}`;
    await load({ listen });
    expect((await fetch(`http://${listen}/metrics`)).status).toBe(200);
    expect(engine.log.entries).toEqual([{ level: "info", message: "serving metrics", fields: { listen } }]);
    await expect(load({ listen })).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      message: expect.stringContaining(`cannot serve metrics on ${listen}: the address is in use`) as string,
    });
    await expect(load({ listen: "192.0.2.1:9469" })).rejects.toThrow("this machine has no address 192.0.2.1 (now)");
  });

  it("warns when others than this machine can read", async () => {
    await load({ listen: `0.0.0.0:${String(await freePort())}` });
    expect(engine.log.messages("warn")).toEqual([
      "everybody who reaches this address can read the metrics, names of targets and frontends among them",
    ]);
  });
});
