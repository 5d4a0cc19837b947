import { describe, expect, it } from "vitest";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { PluginLife } from "./plugin-life.ts";
import type { EngineApi, EngineEvent, Plugin } from "./plugin.ts";

function setUp(plugin: Partial<Plugin>) {
  const clock = new FakeClock();
  const life = new PluginLife(
    { source: "rogue", namespace: "r", plugin: { source: "rogue", ...plugin } },
    clock,
    collectingLog(),
  );
  return { clock, life };
}

/** What it hears goes to whoever listens. */
class Heard {
  readonly listeners = new Set<(event: EngineEvent) => void>();
  readonly onEvent = (listener: (event: EngineEvent) => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
}

const ENGINE = new Heard() as unknown as EngineApi;

describe("PluginLife", () => {
  it("hands on what a plugin needs, and does without either function", async () => {
    const given: unknown[] = [];
    const { life } = setUp({ onLoad: (...all) => void given.push(...all) });
    await life.load({ key: 1 }, ENGINE);
    await life.unload();
    expect([given[0], given[2]]).toEqual([{ key: 1 }, "r"]);
    await setUp({}).life.load(undefined, ENGINE);
  });

  it.each<[string, Partial<Plugin>]>([
    ["its unload", {}],
    ["an onUnload that fails", { onUnload: () => Promise.reject(new Error("no")) }],
    ["an onLoad that fails", {}],
  ])("takes the listeners that a plugin leaves away at %s", async (when, plugin) => {
    const engine = new Heard();
    const { life } = setUp({
      ...plugin,
      onLoad: (_config, api) => {
        api.onEvent(() => undefined);
        api.onEvent(() => undefined)();
        if (when.includes("onLoad")) throw new Error("no");
      },
    });
    const loaded = life.load(undefined, engine as unknown as EngineApi).catch(() => undefined);
    if (!when.includes("onLoad")) {
      await loaded;
      expect(engine.listeners.size).toBe(1);
      await life.unload().catch(() => undefined);
    }
    await loaded;
    expect(engine.listeners.size).toBe(0);
  });

  it("lets a plugin do all that the engine offers", async () => {
    const calls: string[] = [];
    const names = ["status", "flows", "warmTarget", "drainTarget", "reload", "startFrontend", "stopFrontend"] as const;
    const engine = Object.fromEntries(names.map((name) => [name, (...all: unknown[]) => calls.push([name, ...all].join(" "))]));
    const { life } = setUp({
      onLoad: async (_config, api) => {
        await api.status({ names: ["a"] });
        await api.flows("a");
        await api.warmTarget("a", "why");
        await api.drainTarget("a", "why", true);
        await api.reload();
        await api.startFrontend("f");
        await api.stopFrontend("f");
      },
    });
    await life.load(undefined, engine as unknown as EngineApi);
    expect(calls).toEqual([
      "status [object Object]",
      "flows a",
      "warmTarget a why",
      "drainTarget a why true",
      "reload",
      "startFrontend f",
      "stopFrontend f",
    ]);
  });

  it("gives up an onLoad that does not end, names the plugin, and unloads it should it end after all", async () => {
    const events: string[] = [];
    let end: () => void = () => undefined;
    const { clock, life } = setUp({
      onLoad: () => new Promise<void>((resolve) => (end = resolve)),
      onUnload: () => void events.push("unloaded"),
    });
    const message = 'the plugin "rogue": onLoad did not end within 30000 ms';
    const failed = expect(life.load(undefined, ENGINE)).rejects.toMatchObject({ code: "HANDLER_STUCK", message });
    await clock.advance(30_000);
    await failed;
    end();
    await settle();
    expect(events).toEqual(["unloaded"]);
  });

  it("gives up an onUnload that does not end", async () => {
    const { clock, life } = setUp({ onUnload: () => new Promise(() => undefined) });
    await life.load(undefined, ENGINE);
    const failed = expect(life.unload()).rejects.toMatchObject({
      message: 'the plugin "rogue": onUnload did not end within 10000 ms',
    });
    await clock.advance(10_000);
    await failed;
  });
});
