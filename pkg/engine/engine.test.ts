import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import type { Config, FrontendConfig, TargetConfig } from "../config/types.ts";
import { FakeDataplane } from "../dataplane/fake.ts";
import { collectingLog } from "../log/collecting-log.ts";
import type { EngineApi, Plugin } from "../plugin/plugin.ts";
import { Registry } from "../plugin/registry.ts";
import { ScriptedHandler } from "../target/scripted-handler.ts";
import { parseAddrPort } from "../value/addr-port.ts";
import { Engine } from "./engine.ts";

const LISTEN = parseAddrPort("0.0.0.0:8088");
const ENDPOINT = parseAddrPort("127.0.0.1:8080");
const NO_NEEDS = { routeLocalnet: false, forwardIPv4: false, forwardIPv6: false, hold: true };

const TARGET: TargetConfig = {
  name: "backend",
  kind: { namespace: "test", name: "scripted" },
  idleTimeoutMs: 60_000,
  ready: { probe: { kind: "none" }, timeoutMs: 30_000 },
  endpoints: [{ name: "http", protocol: "tcp", addresses: [ENDPOINT] }],
  options: {},
};
const FRONTEND: FrontendConfig = {
  name: "public",
  kind: { namespace: "test", name: "noted" },
  protocol: "tcp",
  routes: [{ listen: LISTEN, endpoint: ENDPOINT }],
  flowTimeoutMs: 60_000,
  masquerade: "auto",
  whenCold: "pass",
  hold: { timeoutMs: 30_000, maxFlows: 1024 },
  gates: { allow: [], deny: [], ignore: [] },
  target: "backend",
  endpoint: "http",
  options: {},
};

describe("Engine", () => {
  let runtimeDir: string;
  beforeEach(async () => {
    runtimeDir = await mkdtemp(join(tmpdir(), "proxygw-engine-"));
  });
  afterEach(async () => {
    await rm(runtimeDir, { recursive: true });
  });

  /** An engine with one target and one frontend, and the order in which things were done to its plugin. */
  function setUp(change: Partial<Config> = {}, trouble: { onLoad?: Error; start?: Error; open?: Error } = {}) {
    const events: string[] = [];
    const clock = new FakeClock();
    const dataplane = new FakeDataplane(clock, collectingLog());
    const plugin: Plugin = {
      source: "test",
      targets: {
        scripted: {
          description: "",
          startsService: true,
          options: {},
          create: () => {
            const handler = new ScriptedHandler();
            handler.close = () => {
              events.push("target closed");
              return Promise.resolve();
            };
            events.push("target made");
            return handler;
          },
        },
      },
      frontends: {
        noted: {
          description: "",
          whenCold: "pass",
          options: {},
          create: () => {
            events.push("frontend made");
            return {
              start: () => {
                events.push("frontend started");
                return trouble.start === undefined ? Promise.resolve() : Promise.reject(trouble.start);
              },
              stop: () => {
                events.push("frontend stopped");
                return Promise.resolve();
              },
              close: () => {
                events.push("frontend closed");
                return Promise.resolve();
              },
            };
          },
        },
      },
      onLoad: (config, _engine: EngineApi, namespace) => {
        events.push(`loaded ${namespace} ${JSON.stringify(config)}`);
        if (trouble.onLoad !== undefined) throw trouble.onLoad;
      },
      onUnload: () => {
        events.push("unloaded");
      },
    };
    const config: Config = {
      log: { output: "stderr", level: 0, format: "text" },
      dataplane: {
        table: "proxygw",
        queue: 0,
        marks: { masquerade: 1, queue: 2, refuse: 4, ignore: 1 },
        manageSysctls: true,
        wildcardOverlap: "refuse",
      },
      runtimeDir,
      onShutdown: "stop",
      plugins: new Map([["test", { key: "value" }]]),
      targets: [TARGET],
      frontends: [FRONTEND],
      ...change,
    };
    const log = collectingLog();
    const tools = { run: () => Promise.reject(new Error("no tools here")) };
    const commands = { start: () => Promise.reject(new Error("no commands here")), adopt: () => undefined };
    const registry = new Registry([{ source: "test", namespace: "test", plugin }]);
    const reload = () => Promise.reject(new Error("no file here"));
    const engine = new Engine({ config, needs: NO_NEEDS, registry, dataplane, clock, log, commands, tools, reload });
    return { engine, config, events, dataplane, clock, log };
  }

  it("makes targets before frontends, and closes in reverse order", async () => {
    const { engine, events } = setUp();
    await engine.start(new AbortController().signal);
    await engine.close();
    await engine.close();
    expect(events).toEqual([
      'loaded test {"key":"value"}',
      "target made",
      "frontend made",
      "frontend started",
      "frontend stopped",
      "frontend closed",
      "target closed",
      "unloaded",
    ]);
  });

  it("shows its status", async () => {
    const { engine } = setUp();
    expect(await engine.status()).toEqual({ closed: false });
    await engine.start(new AbortController().signal);
    expect(await engine.status()).toEqual({
      closed: false,
      targets: [
        {
          name: "backend",
          kind: "test:scripted",
          state: "inactive",
          endpoints: [{ name: "http", protocol: "tcp", address: "127.0.0.1:8080" }],
        },
      ],
      frontends: [
        {
          name: "public",
          kind: "test:noted",
          state: "running",
          protocol: "tcp",
          listen: "0.0.0.0:8088",
          target_name: "backend",
          endpoint_name: "http",
          proxyaddress: "127.0.0.1:8080",
        },
      ],
    });
    await engine.close();
    expect((await engine.status()).closed).toBe(true);
  });

  it("shows both addresses of a dual-stack frontend", async () => {
    const six = { listen: parseAddrPort("[::]:8088"), endpoint: parseAddrPort("[2001:db8::1]:8080") };
    const { engine } = setUp({
      targets: [{ ...TARGET, endpoints: [{ name: "http", protocol: "tcp", addresses: [ENDPOINT, six.endpoint] }] }],
      frontends: [{ ...FRONTEND, routes: [...FRONTEND.routes, six] }],
    });
    await engine.start(new AbortController().signal);
    const { targets, frontends } = await engine.status();
    expect(targets?.[0]?.endpoints[0]?.addresses).toEqual(["127.0.0.1:8080", "[2001:db8::1]:8080"]);
    expect(frontends?.[0]).toMatchObject({
      listen: "0.0.0.0:8088",
      listens: ["0.0.0.0:8088", "[::]:8088"],
      proxyaddresses: ["127.0.0.1:8080", "[2001:db8::1]:8080"],
    });
    await engine.close();
  });

  it("warms and drains, starts and stops by name", async () => {
    const { engine } = setUp();
    await engine.start(new AbortController().signal);
    await engine.warmTarget("backend", "asked to");
    expect((await engine.status()).targets?.[0]?.state).toBe("active");
    await engine.drainTarget("backend", "asked to", false);
    await engine.stopFrontend("public");
    expect((await engine.status()).frontends?.[0]?.state).toBe("stopped");
    await engine.startFrontend("public");
    await expect(engine.warmTarget("backed", "asked to")).rejects.toThrow('there is no target "backed"; there is "backend"');
    await expect(engine.stopFrontend("x")).rejects.toMatchObject({ code: "FRONTEND_UNKNOWN" });
    await engine.close();
  });

  it("goes on without a frontend that can't be started, and says so", async () => {
    const { engine, log } = setUp({}, { start: new Error("address in use") });
    await engine.start(new AbortController().signal);
    expect((await engine.status()).frontends?.[0]).toMatchObject({ state: "stopped", last_error: "address in use" });
    expect(log.messages("error")).toEqual(["frontend state"]);
    await engine.close();
  });

  it("leaves nothing behind when it can't start", async () => {
    const { engine, events, dataplane } = setUp({}, { onLoad: new Error("socket in use") });
    await expect(engine.start(new AbortController().signal)).rejects.toThrow("socket in use");
    expect(events).toEqual(['loaded test {"key":"value"}']);
    expect(() => dataplane.createGroup({ name: "x", endpoints: [] })).toThrow("the dataplane is not running");
    const overlapping = setUp({ frontends: [FRONTEND, { ...FRONTEND, name: "second" }] });
    await expect(overlapping.engine.start(new AbortController().signal)).rejects.toMatchObject({ code: "MAPPING_OVERLAPS" });
    expect(overlapping.events.slice(-4)).toEqual(["target closed", "frontend closed", "frontend closed", "unloaded"]);
  });

  it("stops starting when asked to", async () => {
    const { engine, dataplane } = setUp();
    const abort = new AbortController();
    abort.abort(new Error("SIGTERM"));
    await expect(engine.start(abort.signal)).rejects.toThrow("SIGTERM");
    expect(dataplane.groups.size).toBe(0);
    await settle();
  });

  it("gives each target a directory of its own, whatever its name", async () => {
    const names = ["plain-name", "..", "a/b", "Ünïcode name", "x".repeat(300)];
    const { engine } = setUp({ targets: names.map((name) => ({ ...TARGET, name })), frontends: [] });
    await engine.start(new AbortController().signal);
    expect(await readdir(runtimeDir)).toEqual([]);
    await Promise.all(names.map((name) => engine.warmTarget(name, "asked to")));
    const made = await readdir(join(runtimeDir, "targets"));
    expect(made).toHaveLength(names.length);
    expect(made).toContain("plain-name");
    await writeFile(join(runtimeDir, "targets", "plain-name", "kept"), "");
    await engine.close();
    expect(await readdir(join(runtimeDir, "targets"))).toEqual(["plain-name"]);
  });
});
