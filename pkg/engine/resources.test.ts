import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { givenEngine, HOLDING, NO_PROCESSES } from "../../test/fixture/engine.ts";
import { TARGET_CONFIG } from "../target/open-target.ts";
import { Events } from "./events.ts";
import { Resources } from "./resources.ts";

/** What a daemon that is no more had: a directory with a record, and perhaps a service that still runs. */
async function given(kind = TARGET_CONFIG.kind) {
  const { noted, dataplane, clock, log, registry, config } = await givenEngine();
  const { runtimeDir } = config;
  const resources = new Resources({
    runtimeDir,
    registry,
    dataplane,
    clock,
    log,
    ...NO_PROCESSES,
    events: new Events(clock, log),
  });
  const former = { name: "former", kind, endpoints: TARGET_CONFIG.endpoints, options: { command: "true" } };
  const directory = resources.directory("former");
  await directory.prepare(former);
  return { resources, former, directory, noted, log };
}

describe("Resources: a service that is not configured any more", () => {
  it("is stopped when it still runs, and its directory goes", async () => {
    const { resources, former, directory, noted, log } = await given();
    noted.running.add("former");
    await resources.stopFormer(former);
    expect(noted.target("former").calls).toEqual(["drain", "close"]);
    expect(existsSync(directory.path)).toBe(false);
    expect(log.entries).toEqual([
      { level: "warn", message: "stopping a service that is not configured any more", fields: { target: "former" } },
    ]);
  });

  it("goes without a word when it no longer runs", async () => {
    const { resources, former, directory, noted, log } = await given();
    await resources.stopFormer(former);
    expect(noted.target("former").calls).toEqual(["close"]);
    expect([existsSync(directory.path), log.entries]).toEqual([false, []]);
  });

  it("is left alone, with a warning, when nobody knows its kind", async () => {
    const { resources, former, directory, log } = await given({ namespace: "gone", name: "kind" });
    await resources.stopFormer(former);
    expect(log.entries).toMatchObject([{ level: "warn", fields: { target: "former", kind: "gone:kind" } }]);
    expect(existsSync(join(directory.path, "target.json"))).toBe(true);
  });

  it("keeps its record when it can't be stopped, for the next start to try", async () => {
    const { resources, former, directory, noted } = await given();
    noted.running.add("former");
    noted.trouble.drain = new Error("cannot be killed");
    await expect(resources.stopFormer(former)).rejects.toThrow("cannot be killed");
    expect(existsSync(join(directory.path, "target.json"))).toBe(true);
  });

  it("keeps what its handler left", async () => {
    const { resources, former, directory } = await given();
    writeFileSync(join(directory.path, "output"), "last words");
    await resources.stopFormer(former);
    expect(existsSync(join(directory.path, "output"))).toBe(true);
  });
});

describe("Resources", () => {
  it("makes nothing of a kind that there is not, and says which", async () => {
    const { resources } = await given();
    const none = { namespace: "static", name: "none" };
    expect(() => resources.newTarget({ ...TARGET_CONFIG, kind: none })).toThrow('there is no target kind "static:none"');
    const target = resources.newTarget(TARGET_CONFIG);
    expect(() => resources.newFrontend({ ...HOLDING, kind: none }, target)).toThrow('there is no frontend kind "static:none"');
  });

  it("names those that there are, but not hundreds", async () => {
    const { resources } = await given();
    expect(() => resources.target("x")).toThrow('there is no target "x": none is configured');
    resources.targets.set("t0", resources.newTarget(TARGET_CONFIG));
    expect(() => resources.target("x")).toThrow(/; there is "t0"$/);
    for (let at = 1; at < 11; at++) resources.targets.set(`t${String(at)}`, resources.newTarget(TARGET_CONFIG));
    expect(() => resources.target("x")).toThrow(/there are "t0", .*"t9", …$/);
    expect(() => resources.frontend("x")).toThrow('there is no frontend "x": none is configured');
  });
});
