import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { CONFIG, type GivenEngine, givenEngine, HOLDING } from "../../test/fixture/engine.ts";
import { FRONTEND_CONFIG } from "../../test/fixture/frontend.ts";
import { ENDPOINT, LISTEN, NO_NEEDS } from "../../test/fixture/target.ts";
import { settle } from "../clock/fake-clock.ts";
import { gate } from "../clock/gate.ts";
import type { Config, FrontendConfig, TargetConfig } from "../config/types.ts";
import type { Status } from "../plugin/plugin.ts";
import { TARGET_CONFIG } from "../target/open-target.ts";
import { parseAddrPort } from "../value/addr-port.ts";

const ELSEWHERE = parseAddrPort("192.0.2.2:80");
const OTHER_TARGET: TargetConfig = { ...TARGET_CONFIG, name: "other" };
const OTHER: FrontendConfig = {
  ...HOLDING,
  name: "other front",
  routes: [{ listen: ELSEWHERE, endpoint: ENDPOINT }],
  target: "other",
};
const HELD: Partial<Config> = { frontends: [HOLDING] };

async function started(change: Partial<Config> = {}): Promise<GivenEngine> {
  const given = await givenEngine(change);
  await given.start();
  return given;
}

async function frontendOf(
  { engine }: GivenEngine,
  name = "front",
): Promise<NonNullable<Status["frontends"]>[number] | undefined> {
  return (await engine.status()).frontends?.find((each) => each.name === name);
}

/** A client that is held, since the service takes its time to start. */
async function heldBySlowStart({ dataplane, noted }: GivenEngine) {
  const { promise, open } = gate();
  noted.target().warmGate = promise;
  const answer = dataplane.connect("tcp", LISTEN);
  // its directory is made first
  await vi.waitUntil(() => noted.target().calls.includes("warm"));
  return { answer, open };
}

describe("reload", () => {
  it("does nothing at all for the same configuration", async () => {
    const given = await started(HELD);
    const { answer, open } = await heldBySlowStart(given);
    const before = [...given.noted.events];
    given.dataplane.nextFailure = new Error("nobody is to change anything");
    given.dataplane.adapt = () => Promise.resolve();
    expect(await given.apply(structuredClone(HELD))).toEqual({});
    expect(given.noted.events).toEqual(before);
    given.dataplane.nextFailure = undefined;
    expect((await frontendOf(given))?.holding).toBe(1);
    open();
    expect(await answer).toBe("127.0.0.1:8080");
  });

  it("leaves state and clients of a target alone that did not change, whatever else does", async () => {
    const given = await started(HELD);
    const { dataplane, noted, apply, engine } = given;
    await engine.warmTarget("backend", "test");
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
    const report = await apply({ targets: [OTHER_TARGET, TARGET_CONFIG], frontends: [OTHER, HOLDING] });
    expect(report).toEqual({ targets: { added: ["other"] }, frontends: { added: ["other front"] } });
    expect(dataplane.flows).toHaveLength(1);
    expect(noted.target().calls).toEqual(["warm"]);
    const { targets, frontends } = await engine.status();
    expect(targets?.map(({ name, state }) => [name, state])).toEqual([
      ["other", "inactive"],
      ["backend", "active"],
    ]);
    expect(frontends?.map(({ name, state }) => [name, state])).toEqual([
      ["other front", "running"],
      ["front", "running"],
    ]);
  });

  it("takes over what needs no new start, and says what", async () => {
    const given = await started();
    const { apply, noted, clock, engine } = given;
    noted.takesOver = () => true;
    await engine.warmTarget("backend", "test");
    const report = await apply({
      targets: [{ ...TARGET_CONFIG, idleTimeoutMs: 5000, options: { stop: "soon" } }],
      frontends: [{ ...FRONTEND_CONFIG, flowTimeoutMs: 1000, options: { page: 2 } }],
    });
    expect(report).toEqual({
      targets: { changed: [{ name: "backend", fields: ["idle_timeout", "options"] }] },
      frontends: { changed: [{ name: "front", fields: ["flow_timeout", "options"] }] },
    });
    expect(noted.target().calls).toEqual(["warm", 'options {"stop":"soon"}']);
    expect(noted.frontend().calls).toEqual(["start", 'options {"page":2}']);
    await clock.advance(5000);
    expect((await engine.status()).targets?.[0]?.state).toBe("inactive");
  });

  it("gives a changed frontend another mapping, with those that it holds", async () => {
    const given = await started(HELD);
    const { answer, open } = await heldBySlowStart(given);
    const report = await given.apply({ frontends: [{ ...HOLDING, hold: { timeoutMs: 5000, maxFlows: 7 } }] });
    expect(report).toEqual({ frontends: { changed: [{ name: "front", fields: ["hold"] }] } });
    expect((await frontendOf(given))?.holding).toBe(1);
    expect(given.noted.frontend().calls.filter((each) => each !== "held")).toEqual(["start"]);
    open();
    expect(await answer).toBe("127.0.0.1:8080");
  });

  it("makes a frontend anew that moves, and lets it exchange addresses with another", async () => {
    const given = await started({ targets: [TARGET_CONFIG, OTHER_TARGET], frontends: [HOLDING, OTHER] });
    const { apply, engine, dataplane, noted } = given;
    await Promise.all([engine.warmTarget("backend", "test"), engine.warmTarget("other", "test")]);
    const report = await apply({
      targets: [TARGET_CONFIG, OTHER_TARGET],
      frontends: [
        { ...HOLDING, routes: OTHER.routes },
        { ...OTHER, routes: HOLDING.routes },
      ],
    });
    expect(report.frontends?.changed).toEqual([
      { name: "front", fields: ["listen"], made_anew: true },
      { name: "other front", fields: ["listen"], made_anew: true },
    ]);
    expect(report.failures).toBeUndefined();
    dataplane.send("tcp", LISTEN);
    expect(dataplane.flows.map(({ group }) => group.name)).toEqual(["other"]);
    // the first of each was stopped and closed, and the next one started
    expect(noted.frontends.get("front")?.map(({ calls }) => calls)).toEqual([["start", "stop", "stop", "close"], ["start"]]);
  });

  it("makes a target anew that needs it, while its clients are held, and wakes it by them", async () => {
    const given = await started(HELD);
    const { dataplane, noted, apply, engine } = given;
    await engine.warmTarget("backend", "test");
    dataplane.send("tcp", LISTEN);
    const former = noted.target();
    const { promise, open } = gate();
    former.drainGate = promise;
    const applied = apply({ ...HELD, targets: [{ ...TARGET_CONFIG, options: { command: "other" } }] });
    await settle();
    const meanwhile = dataplane.connect("tcp", LISTEN);
    expect((await frontendOf(given))?.holding).toBe(1);
    open();
    expect(await applied).toEqual({ targets: { changed: [{ name: "backend", fields: ["options"], made_anew: true }] } });
    expect(await meanwhile).toBe("127.0.0.1:8080");
    expect(former.calls).toEqual(["warm", "drain", "close"]);
    expect([noted.target() === former, noted.target().calls]).toEqual([false, ["warm"]]);
    expect([...dataplane.groups]).toHaveLength(1);
  });

  it("calls the start of a target off that is made anew, and lets its clients wait on", async () => {
    const given = await started(HELD);
    const { answer } = await heldBySlowStart(given);
    const endpoints = [{ name: "http", protocol: "tcp" as const, addresses: [parseAddrPort("127.0.0.1:9")] }];
    const routes = [{ listen: LISTEN, endpoint: parseAddrPort("127.0.0.1:9") }];
    const report = await given.apply({
      targets: [{ ...TARGET_CONFIG, endpoints }],
      frontends: [{ ...HOLDING, routes }],
    });
    expect(report.failures).toBeUndefined();
    expect(await answer).toBe("127.0.0.1:9");
    expect(given.noted.targets.get("backend")?.map(({ calls }) => calls)).toEqual([["warm", "close"], ["warm"]]);
  });

  it("stops and forgets what is not named any more, its directory included", async () => {
    const given = await started({ targets: [TARGET_CONFIG, OTHER_TARGET], frontends: [HOLDING, OTHER] });
    const { apply, engine, noted, dataplane, config } = given;
    await engine.warmTarget("other", "test");
    expect(existsSync(join(config.runtimeDir, "targets", "other"))).toBe(true);
    const report = await apply(HELD);
    expect(report).toEqual({ targets: { removed: ["other"] }, frontends: { removed: ["other front"] } });
    expect(noted.target("other").calls).toEqual(["warm", "drain", "close"]);
    expect(dataplane.send("tcp", ELSEWHERE)).toBeUndefined();
    expect(existsSync(join(config.runtimeDir, "targets", "other"))).toBe(false);
    await expect(engine.warmTarget("other", "test")).rejects.toMatchObject({ code: "TARGET_UNKNOWN" });
    expect(engine.summary()).toMatchObject({ targets: 1, frontends: 1 });
  });

  it("closes what it brought, too", async () => {
    const { apply, engine, noted, dataplane } = await started();
    await apply({ targets: [OTHER_TARGET], frontends: [OTHER] });
    await engine.warmTarget("other", "test");
    await engine.close();
    expect(noted.target("other").calls).toEqual(["warm", "drain", "close"]);
    expect([dataplane.groups.size, dataplane.ended]).toEqual([0, "stop"]);
  });

  it("leaves a frontend stopped that somebody stopped, however it changes", async () => {
    const given = await started(HELD);
    const { apply, engine, noted } = given;
    await engine.stopFrontend("front");
    const changes: FrontendConfig[] = [
      HOLDING,
      { ...HOLDING, flowTimeoutMs: 1 },
      { ...HOLDING, flowTimeoutMs: 1, routes: OTHER.routes },
    ];
    for (const frontend of changes) {
      expect((await apply({ frontends: [frontend] })).failures).toBeUndefined();
      expect((await frontendOf(given))?.state).toBe("stopped");
    }
    expect(noted.frontends.get("front")).toHaveLength(2);
    await engine.startFrontend("front");
    expect((await frontendOf(given))?.listen).toBe("192.0.2.2:80");
  });

  it("leaves it stopped also when something had gone wrong with it long before", async () => {
    const given = await givenEngine(HELD);
    const { apply, engine, noted } = given;
    noted.trouble.start = new Error("address in use");
    await given.start();
    noted.frontend().startFailure = undefined;
    await engine.startFrontend("front");
    await engine.stopFrontend("front");
    await apply({ frontends: [{ ...HOLDING, flowTimeoutMs: 1 }] });
    expect(await frontendOf(given)).toMatchObject({ state: "stopped", last_error: "address in use" });
  });

  it.each<[string, FrontendConfig]>([
    ["not touched", HOLDING],
    ["changed", { ...HOLDING, flowTimeoutMs: 1 }],
    ["made anew", { ...HOLDING, routes: OTHER.routes }],
  ])("tries a frontend again that had failed, and is %s", async (_what, frontend) => {
    const given = await givenEngine(HELD);
    given.noted.trouble.start = new Error("address in use");
    await given.start();
    expect((await frontendOf(given))?.state).toBe("stopped");
    const again = await given.apply({ frontends: [frontend] });
    expect(again.failures).toEqual([{ name: "front", error: "address in use" }]);
    delete given.noted.trouble.start;
    given.noted.frontend().startFailure = undefined;
    expect((await given.apply({ frontends: [frontend] })).failures).toBeUndefined();
    expect((await frontendOf(given))?.state).toBe("running");
  });

  it("says in report and status what could not be brought up, and takes over all the rest", async () => {
    const given = await started(HELD);
    const { apply, dataplane, log } = given;
    const adapt = dataplane.adapt.bind(dataplane);
    dataplane.adapt = async (needs) => {
      await adapt(needs);
      // the first of this reload's changes
      dataplane.nextFailure = new Error("nft failed");
    };
    const report = await apply({
      targets: [TARGET_CONFIG, OTHER_TARGET],
      frontends: [HOLDING, OTHER],
      onShutdown: "keep",
    });
    expect(report).toEqual({
      targets: { added: ["other"] },
      frontends: { added: ["other front"] },
      failures: [{ name: "other front", error: "nft failed" }],
    });
    expect(await frontendOf(given, "other front")).toMatchObject({ state: "stopped", last_error: "nft failed" });
    expect(log.messages("error")).toContain("not everything of the new configuration could be brought up");
    expect(given.engine.config.onShutdown).toBe("keep");
  });

  it("says when the service of a target that is made anew could not be stopped", async () => {
    const { apply, engine, noted } = await started();
    await engine.warmTarget("backend", "test");
    noted.target().drainFailure = new Error("cannot be killed");
    const report = await apply({ targets: [{ ...TARGET_CONFIG, kind: { namespace: "test", name: "lasting" } }] });
    expect(report.failures).toEqual([{ name: "backend", error: "cannot be killed" }]);
    expect(report.targets?.changed).toEqual([{ name: "backend", fields: ["kind"], made_anew: true }]);
  });
});

describe("reload that is refused", () => {
  it.each<[Partial<Config>, string]>([
    [{ dataplane: { ...CONFIG.dataplane, queue: 77 } }, "dataplane"],
    [{ runtimeDir: "/other" }, "runtime_dir"],
    [{ plugins: new Map() }, "plugins.test"],
  ])("changes nothing for %j", async (change, field) => {
    const { apply, engine, config, noted } = await started(HELD);
    const before = [...noted.events];
    await expect(apply({ targets: [], frontends: [], ...change })).rejects.toMatchObject({
      code: "RELOAD_NEEDS_RESTART",
      message: expect.stringContaining(`${field} cannot change`) as string,
    });
    expect([engine.config === config, noted.events]).toEqual([true, before]);
  });

  it("changes nothing when the system can't be prepared", async () => {
    const { apply, engine, config, dataplane } = await started(HELD);
    dataplane.nextFailure = new Error("net.ipv4.ip_forward is needed");
    await expect(apply({ targets: [], frontends: [] })).rejects.toThrow("ip_forward");
    expect(engine.config).toBe(config);
    expect(engine.summary()).toMatchObject({ targets: 1, running: 1 });
  });

  it("changes nothing when a handler can't be made", async () => {
    const { apply, engine, config, dataplane } = await started(HELD);
    const kind = { namespace: "test", name: "unheard-of" };
    await expect(apply({ ...HELD, targets: [TARGET_CONFIG, { ...OTHER_TARGET, kind }] })).rejects.toMatchObject({
      code: "KIND_UNKNOWN",
    });
    expect([engine.config === config, dataplane.groups.size]).toEqual([true, 1]);
  });

  it("asks for the needs of the new configuration before it changes anything", async () => {
    const { engine, config, dataplane } = await started(HELD);
    const needs = { ...NO_NEEDS, routeLocalnet: true };
    await engine.apply({ ...config, targets: [], frontends: [] }, needs);
    expect(dataplane.needs).toEqual(needs);
  });

  it("waits for a start that is under way", async () => {
    const { engine, start, config, dataplane } = await givenEngine();
    const { promise, open } = gate();
    const commit = dataplane.commit.bind(dataplane);
    dataplane.commit = async () => {
      await promise;
      await commit();
    };
    const up = start();
    const applied = engine.apply({ ...config, frontends: [] }, NO_NEEDS);
    await settle();
    open();
    await up;
    expect(await applied).toEqual({ frontends: { removed: ["front"] } });
  });

  it("does not come to life again after its end, nor after a start that failed", async () => {
    const closed = await started();
    const { engine, config } = closed;
    const ended = engine.close();
    await expect(engine.apply(config, NO_NEEDS)).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
    await ended;
    await expect(engine.apply(config, NO_NEEDS)).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
    const failed = await givenEngine();
    const abort = new AbortController();
    const commit = failed.dataplane.commit.bind(failed.dataplane);
    failed.dataplane.commit = async () => {
      await commit();
      abort.abort(new Error("SIGTERM"));
    };
    const up = failed.engine.start(abort.signal);
    const applied = failed.engine.apply(failed.config, NO_NEEDS);
    await Promise.all([expect(up).rejects.toThrow("SIGTERM"), expect(applied).rejects.toMatchObject({ code: "ENGINE_CLOSED" })]);
  });
});
