import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { type GivenEngine, givenEngine, HOLDING, temporaryDirectory } from "../../test/fixture/engine.ts";
import { LISTEN } from "../../test/fixture/target.ts";
import { settle } from "../clock/fake-clock.ts";
import { gate } from "../clock/gate.ts";
import type { Config, TargetConfig } from "../config/types.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { TARGET_CONFIG } from "../target/open-target.ts";
import { TargetDirectory } from "./target-directory.ts";

const LASTING: TargetConfig = { ...TARGET_CONFIG, kind: { namespace: "test", name: "lasting" } };

/** After a daemon that is no more, whose service still runs. */
async function afterAnother(change: Partial<Config>, former: TargetConfig = LASTING): Promise<GivenEngine> {
  const runtimeDir = await temporaryDirectory();
  await new TargetDirectory(runtimeDir, former.name, collectingLog()).prepare(former);
  const given = await givenEngine({ targets: [LASTING], frontends: [HOLDING], runtimeDir, ...change });
  given.noted.running.add(former.name);
  return given;
}

describe("Engine: a service that still runs", () => {
  it("is in force again when the start is over, without having been started", async () => {
    const { start, engine, dataplane, noted } = await afterAnother({});
    const sent: unknown[] = [];
    const commit = dataplane.commit.bind(dataplane);
    dataplane.commit = async () => {
      sent.push(dataplane.send("tcp", LISTEN));
      await commit();
    };
    await start();
    await vi.waitUntil(() => engine.summary().active === 1);
    expect([sent, dataplane.send("tcp", LISTEN)]).toEqual([[undefined], "127.0.0.1:8080"]);
    expect(noted.target().calls).toEqual([]);
  });

  it("is not looked for where no daemon can have started it", async () => {
    const { start, engine, noted } = await givenEngine({ targets: [LASTING] });
    noted.running.add("backend");
    await start();
    expect(engine.summary().active).toBe(0);
  });

  it("is stopped when it is not configured any more, without anybody waiting for it", async () => {
    const gone = { ...LASTING, name: "gone" };
    const { start, engine, noted, config } = await afterAnother({}, gone);
    await start();
    await vi.waitUntil(() => !existsSync(join(config.runtimeDir, "targets", "gone")));
    expect(noted.target("gone").calls).toEqual(["drain", "close"]);
    expect(engine.summary().targets).toBe(1);
  });

  it("is stopped when its target is of another kind by now", async () => {
    const { start, noted } = await afterAnother({ targets: [TARGET_CONFIG] }, LASTING);
    await start();
    await vi.waitUntil(() => noted.target().calls.includes("close"));
    expect(noted.targets.get("backend")?.map(({ calls }) => calls)).toEqual([[], ["drain", "close"]]);
  });

  it("of another kind is left as it was found when the start fails", async () => {
    const { start, noted, dataplane } = await afterAnother({ targets: [TARGET_CONFIG] }, LASTING);
    dataplane.commit = () => Promise.reject(new Error("trouble"));
    await expect(start()).rejects.toThrow("trouble");
    expect((noted.targets.get("backend") ?? []).flatMap(({ calls }) => calls)).not.toContain("drain");
  });

  it("is gone before the one of another kind starts that has its name now", async () => {
    const { start, engine, noted } = await afterAnother({ targets: [TARGET_CONFIG] }, LASTING);
    const { promise, open } = gate();
    noted.drainGate = promise;
    await start();
    const warmed = engine.warmTarget("backend", "asked");
    await vi.waitUntil(() => noted.targets.get("backend")?.[1]?.calls.includes("drain") === true);
    // as long as writing files takes, and more
    await new Promise((wake) => setTimeout(wake, 100));
    expect(noted.targets.get("backend")?.[0]?.calls).toEqual([]);
    open();
    await warmed;
    expect(noted.targets.get("backend")?.map(({ calls }) => calls)).toEqual([["warm"], ["drain", "close"]]);
  });

  it("is gone before another of its name comes", async () => {
    const gone = { ...LASTING, name: "gone" };
    const { start, apply, noted } = await afterAnother({}, gone);
    const { promise, open } = gate();
    noted.drainGate = promise;
    await start();
    await vi.waitUntil(() => noted.targets.get("gone")?.[0]?.calls.includes("drain") === true);
    const applied = apply({ targets: [LASTING, gone], frontends: [HOLDING] });
    await settle();
    expect(noted.targets.get("gone")).toHaveLength(1);
    open();
    expect(await applied).toEqual({ targets: { added: ["gone"] } });
    expect(noted.targets.get("gone")?.map(({ calls }) => calls)).toEqual([["drain", "close"], []]);
  });

  it("is told of when it can't be stopped, and keeps nobody from going on", async () => {
    const { start, engine, noted, log } = await afterAnother({}, { ...LASTING, name: "gone" });
    noted.trouble.drain = new Error("cannot be killed");
    await start();
    await vi.waitUntil(() => log.messages("error").length > 0);
    expect(log.entries.find(({ level }) => level === "error")).toMatchObject({
      message: "could not stop a service that is not configured any more",
      fields: { target: "gone", error: "cannot be killed" },
    });
    delete noted.trouble.drain;
    await engine.close();
  });
});

describe("Engine: a start that fails", () => {
  it.each<[string, (given: GivenEngine) => void]>([
    [
      "commit",
      ({ dataplane }) => {
        dataplane.commit = () => Promise.reject(new Error("trouble"));
      },
    ],
    [
      "a plugin",
      ({ noted }) => {
        noted.trouble.onLoad = new Error("trouble");
      },
    ],
    [
      "the dataplane's own start",
      ({ dataplane }) => {
        dataplane.nextFailure = new Error("trouble");
      },
    ],
    [
      "a handler that can't be made",
      ({ registry }) => {
        registry.frontendKind = () => {
          throw new Error("trouble");
        };
      },
    ],
  ])("by %s leaves services running as it found them, whatever on_shutdown says", async (_what, trouble) => {
    const given = await afterAnother({ onShutdown: "stop" });
    trouble(given);
    await expect(given.start()).rejects.toThrow("trouble");
    const stopped = [...given.noted.targets.values()].flat().flatMap(({ calls }) => calls.filter((each) => each === "drain"));
    expect(stopped).toEqual([]);
    expect(existsSync(join(given.config.runtimeDir, "targets", "backend", "target.json"))).toBe(true);
    expect(given.dataplane.ended).toBe("keep");
    expect(given.noted.events.filter((each) => each === "frontend started")).toEqual([]);
  });

  it("lets go of a service that it had found, so that the next start finds it again", async () => {
    const given = await afterAnother({});
    given.dataplane.commit = () => Promise.reject(new Error("trouble"));
    await expect(given.start()).rejects.toThrow("trouble");
    expect(given.noted.target().calls).toEqual(["detach"]);
    expect(given.log.messages("error")).not.toContain("could not close cleanly");
  });

  it.each<[Config["onShutdown"], string[]]>([
    ["stop", ["drain", "close"]],
    ["keep", ["detach"]],
  ])("once it is in force, ends as on_shutdown has it: %s", async (onShutdown, calls) => {
    const given = await afterAnother({ onShutdown });
    const { dataplane, engine, noted } = given;
    const abort = new AbortController();
    const commit = dataplane.commit.bind(dataplane);
    dataplane.commit = async () => {
      await commit();
      abort.abort(new Error("SIGTERM"));
    };
    await expect(engine.start(abort.signal)).rejects.toThrow("SIGTERM");
    expect([noted.target().calls, dataplane.ended]).toEqual([calls, onShutdown]);
  });
});

describe("Engine: its end", () => {
  it("stops everything, and leaves nothing behind", async () => {
    const { start, engine, noted, dataplane, config } = await givenEngine({ targets: [LASTING] });
    await start();
    await engine.warmTarget("backend", "test");
    await engine.close();
    expect(noted.target().calls).toEqual(["warm", "drain", "close"]);
    expect([dataplane.ended, dataplane.groups.size]).toEqual(["stop", 0]);
    expect(existsSync(join(config.runtimeDir, "targets"))).toBe(false);
  });

  it("keeps services, their way in the packet path and what finds them again, with on_shutdown: keep", async () => {
    const given = await givenEngine({ targets: [LASTING], frontends: [HOLDING], onShutdown: "keep" });
    const { start, engine, noted, dataplane, config } = given;
    await start();
    await engine.warmTarget("backend", "test");
    await engine.close();
    expect(noted.target().calls).toEqual(["warm", "detach"]);
    expect(noted.frontend().calls).toEqual(["start", "stop", "close"]);
    expect(noted.events.at(-1)).toBe("unloaded");
    expect([dataplane.ended, dataplane.send("tcp", LISTEN)]).toEqual(["keep", "127.0.0.1:8080"]);
    expect(existsSync(join(config.runtimeDir, "targets", "backend", "target.json"))).toBe(true);
  });

  it("stops a service that would not be found again, also with keep", async () => {
    const { start, engine, noted, dataplane } = await givenEngine({ onShutdown: "keep" });
    await start();
    await engine.warmTarget("backend", "test");
    await engine.close();
    expect(noted.target().calls).toEqual(["warm", "drain", "close"]);
    expect(dataplane.ended).toBe("keep");
  });

  it("ends as the configuration has it by then", async () => {
    const { start, engine, apply, noted, dataplane } = await givenEngine({ targets: [LASTING], onShutdown: "keep" });
    await start();
    await engine.warmTarget("backend", "test");
    await apply({ targets: [LASTING], onShutdown: "stop" });
    await engine.close();
    expect([noted.target().calls, dataplane.ended]).toEqual([["warm", "drain", "close"], "stop"]);
  });
});
