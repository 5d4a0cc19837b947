import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { givenEngine } from "../../test/fixture/engine.ts";
import { FRONTEND_CONFIG } from "../../test/fixture/frontend.ts";
import { ENDPOINT } from "../../test/fixture/target.ts";
import { settle } from "../clock/fake-clock.ts";
import { TARGET_CONFIG } from "../target/open-target.ts";
import { parseAddrPort } from "../value/addr-port.ts";

describe("Engine", () => {
  it("makes targets before frontends, and closes in reverse order", async () => {
    const { engine, start, noted } = await givenEngine();
    await start();
    await engine.close();
    await engine.close();
    expect(noted.events).toEqual([
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
    const { engine, start, clock } = await givenEngine();
    expect(await engine.status()).toEqual({ closed: false });
    await start();
    expect(await engine.status()).toEqual({
      closed: false,
      targets: [
        {
          name: "backend",
          kind: "test:scripted",
          state: "inactive",
          since: clock.date().toISOString(),
          idle_timeout_ms: 60_000,
          endpoints: [{ name: "http", protocol: "tcp", address: "127.0.0.1:8080" }],
        },
      ],
      frontends: [
        {
          name: "front",
          kind: "test:noted",
          state: "running",
          since: clock.date().toISOString(),
          protocol: "tcp",
          listen: "192.0.2.1:80",
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
    const { engine, start } = await givenEngine({
      targets: [{ ...TARGET_CONFIG, endpoints: [{ name: "http", protocol: "tcp", addresses: [ENDPOINT, six.endpoint] }] }],
      frontends: [{ ...FRONTEND_CONFIG, routes: [...FRONTEND_CONFIG.routes, six] }],
    });
    await start();
    const { targets, frontends } = await engine.status();
    expect(targets?.[0]?.endpoints[0]?.addresses).toEqual(["127.0.0.1:8080", "[2001:db8::1]:8080"]);
    expect(frontends?.[0]).toMatchObject({
      listen: "192.0.2.1:80",
      listens: ["192.0.2.1:80", "[::]:8088"],
      proxyaddresses: ["127.0.0.1:8080", "[2001:db8::1]:8080"],
    });
    await engine.close();
  });

  it("warms and drains, starts and stops by name", async () => {
    const { engine, start } = await givenEngine();
    await start();
    await engine.warmTarget("backend", "asked to");
    expect((await engine.status()).targets?.[0]?.state).toBe("active");
    await engine.drainTarget("backend", "asked to", false);
    await engine.stopFrontend("front");
    expect((await engine.status()).frontends?.[0]?.state).toBe("stopped");
    await engine.startFrontend("front");
    await expect(engine.warmTarget("backed", "asked to")).rejects.toThrow('there is no target "backed"; there is "backend"');
    await expect(engine.stopFrontend("x")).rejects.toMatchObject({ code: "FRONTEND_UNKNOWN" });
    await engine.close();
  });

  it("goes on without a frontend that can't be started, and says so", async () => {
    const { engine, start, log, noted } = await givenEngine();
    noted.trouble.start = new Error("address in use");
    await start();
    expect((await engine.status()).frontends?.[0]).toMatchObject({ state: "stopped", last_error: "address in use" });
    expect(log.messages("error")).toEqual(["frontend state"]);
    await engine.close();
  });

  it("leaves nothing behind when it can't start", async () => {
    const { start, noted, dataplane } = await givenEngine();
    noted.trouble.onLoad = new Error("socket in use");
    await expect(start()).rejects.toThrow("socket in use");
    expect(noted.events).toEqual(['loaded test {"key":"value"}']);
    expect(() => dataplane.createGroup({ name: "x", endpoints: [] })).toThrow("the dataplane is not running");
    const overlapping = await givenEngine({ frontends: [FRONTEND_CONFIG, { ...FRONTEND_CONFIG, name: "second" }] });
    await expect(overlapping.start()).rejects.toMatchObject({ code: "MAPPING_OVERLAPS" });
    expect(overlapping.noted.events.slice(-4)).toEqual(["target closed", "frontend closed", "frontend closed", "unloaded"]);
  });

  it("stops starting when asked to", async () => {
    const { engine, dataplane } = await givenEngine();
    const abort = new AbortController();
    abort.abort(new Error("SIGTERM"));
    await expect(engine.start(abort.signal)).rejects.toThrow("SIGTERM");
    expect(dataplane.groups.size).toBe(0);
    await settle();
  });

  it("gives each target a directory of its own, whatever its name", async () => {
    const names = ["plain-name", "..", "a/b", "Ünïcode name", "x".repeat(300)];
    const { engine, start, config } = await givenEngine({
      targets: names.map((name) => ({ ...TARGET_CONFIG, name })),
      frontends: [],
    });
    const { runtimeDir } = config;
    await start();
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
