import { describe, expect, it } from "vitest";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { PluginLife } from "./plugin-life.ts";
import type { EngineApi, Plugin } from "./plugin.ts";

function setUp(plugin: Partial<Plugin>) {
  const clock = new FakeClock();
  const life = new PluginLife(
    { source: "rogue", namespace: "r", plugin: { source: "rogue", ...plugin } },
    clock,
    collectingLog(),
  );
  return { clock, life };
}

const ENGINE = {} as EngineApi;

describe("PluginLife", () => {
  it("hands on what a plugin needs, and does without either function", async () => {
    const given: unknown[] = [];
    const { life } = setUp({ onLoad: (...all) => void given.push(...all) });
    await life.load({ key: 1 }, ENGINE);
    await life.unload();
    expect(given).toEqual([{ key: 1 }, ENGINE, "r"]);
    await setUp({}).life.load(undefined, ENGINE);
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
