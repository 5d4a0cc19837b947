import { describe, expect, it } from "vitest";
import { givenEngine, HOLDING } from "../../test/fixture/engine.ts";
import { DEATH, LISTEN } from "../../test/fixture/target.ts";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import { collectingLog } from "../log/collecting-log.ts";
import type { EngineEvent } from "../plugin/plugin.ts";
import { parseCidr } from "../value/cidr.ts";
import { Events } from "./events.ts";

/** An engine whose events are kept, in short. */
async function given(...change: Parameters<typeof givenEngine>) {
  const all = await givenEngine(...change);
  const heard: EngineEvent[] = [];
  all.engine.onEvent((event) => heard.push(event));
  await all.start();
  const take = (...types: EngineEvent["type"][]): object[] =>
    heard.splice(0).flatMap((event) => {
      if (types.length > 0 && !types.includes(event.type)) return [];
      return [Object.fromEntries(Object.entries(event).filter(([name]) => name !== "at"))];
    });
  return { ...all, heard, take };
}

describe("Events", () => {
  it("makes no event for nobody, and tells each who listens, in spite of the others", () => {
    const log = collectingLog();
    const clock = new FakeClock();
    const events = new Events(clock, log);
    const heard: EngineEvent[] = [];
    let made = 0;
    const emit = (): void => {
      events.emit(() => ({ type: "transaction", took_ms: ++made }));
    };
    emit();
    const stop = events.on(() => {
      throw new Error("no");
    });
    const listener = (event: EngineEvent): void => void heard.push(event);
    const stops = [events.on(listener), events.on(listener)];
    emit();
    expect([made, heard.length, log.messages("error")]).toEqual([1, 2, ["a listener of events failed"]]);
    expect(heard[0]).toEqual({ type: "transaction", took_ms: 1, at: clock.date().toISOString() });
    stops[0]?.();
    stops[0]?.();
    emit();
    expect([made, heard.length]).toEqual([2, 3]);
    stop();
    stops[1]?.();
    emit();
    expect([made, heard.length, events.isHeard]).toEqual([2, 3, false]);
  });

  it("tells no more to a listener that another one has taken away", () => {
    const events = new Events(new FakeClock(), collectingLog());
    const heard: string[] = [];
    events.on(() => {
      heard.push("one");
      stop();
    });
    const stop = events.on(() => heard.push("other"));
    events.emit(() => ({ type: "transaction", took_ms: 1 }));
    expect(heard).toEqual(["one"]);
  });
});

describe("Engine: events", () => {
  it("tell the story of a cold wake, in order", async () => {
    const { engine, dataplane, take } = await given({ frontends: [HOLDING] });
    await settle();
    expect(take("frontend_state")).toEqual([
      { type: "frontend_state", frontend: "front", target: "backend", from: "stopped", to: "starting", reason: "configured" },
      { type: "frontend_state", frontend: "front", target: "backend", from: "starting", to: "running", reason: "configured" },
    ]);
    await dataplane.connect("tcp", LISTEN);
    await settle();
    const source = "192.0.2.99:20001";
    const cause = { reason: "first packet", frontend: "front", source };
    expect(take("hold", "release", "target_state")).toEqual([
      { type: "hold", frontend: "front", target: "backend", source },
      { type: "target_state", target: "backend", from: "inactive", to: "warming", ...cause },
      { type: "release", frontend: "front", target: "backend", source, outcome: "passed", held_ms: 0 },
      { type: "target_state", target: "backend", from: "warming", to: "active", ...cause, took_ms: 0 },
    ]);
    await engine.close();
    expect(take("target_state").at(-1)).toMatchObject({ from: "inactive", to: "closed" });
  });

  it("tell what failed, and for how long clients do not wake it", async () => {
    const { engine, noted, take } = await given();
    await engine.warmTarget("backend", "asked to");
    take();
    noted.target().died(DEATH);
    expect(take("target_state")).toEqual([
      { type: "target_state", target: "backend", from: "active", to: "inactive", error: DEATH.message, retry_in_ms: 1000 },
    ]);
    await engine.close();
  });

  it("tell of each transaction, and why one failed", async () => {
    const { engine, dataplane, take } = await given();
    await settle();
    take();
    dataplane.nextFailure = new Error("no memory");
    await engine.warmTarget("backend", "asked to").catch(() => undefined);
    expect(take("transaction")).toContainEqual({ type: "transaction", took_ms: 0, error: "no memory" });
    await engine.warmTarget("backend", "asked to");
    expect(take("transaction")).toContainEqual({ type: "transaction", took_ms: 0 });
    await engine.close();
  });

  it("tell of a reload that failed", async () => {
    const { engine, take } = await given();
    take();
    await expect(engine.reload()).rejects.toThrow("no file here");
    expect(take()).toEqual([{ type: "reload", error: "no file here" }]);
    await engine.close();
  });

  it("tell what gates turned away, once, also when the frontend was changed or made anew", async () => {
    const gates = { ...HOLDING.gates, deny: [parseCidr("192.0.2.0/24")] };
    const denying = { ...HOLDING, gates };
    const { engine, dataplane, take, apply } = await given({ frontends: [denying] });
    take();
    await engine.reportGates();
    expect(take("refusal")).toEqual([]);
    for (let count = 0; count < 3; count++) expect(dataplane.send("tcp", LISTEN)).toBeUndefined();
    await engine.reportGates();
    const refusal = { type: "refusal", frontend: "front", target: "backend", gate: "denied" };
    expect(take("refusal")).toEqual([{ ...refusal, packets: 3 }]);
    await engine.reportGates();
    expect(take("refusal")).toEqual([]);
    await apply({ frontends: [{ ...denying, flowTimeoutMs: 1000 }] });
    dataplane.send("tcp", LISTEN);
    await engine.reportGates();
    expect(take("refusal")).toEqual([{ ...refusal, packets: 1 }]);
    await engine.close();
  });

  it("tell what was dropped because too much is held, without gates", async () => {
    const { engine, dataplane, noted, take } = await given({
      frontends: [{ ...HOLDING, hold: { timeoutMs: 1000, maxFlows: 1 } }],
    });
    noted.frontend().held = () => undefined;
    dataplane.send("tcp", LISTEN);
    dataplane.send("tcp", LISTEN);
    await engine.reportGates();
    expect(take("hold", "refusal")).toMatchObject([{ type: "hold" }, { type: "refusal", gate: "overflowed", packets: 1 }]);
    await engine.close();
    expect(take("release")).toMatchObject([{ outcome: "dropped" }]);
  });

  it("release no flow that a reload hands over", async () => {
    const { engine, dataplane, clock, noted, take, apply } = await given({ frontends: [HOLDING] });
    noted.frontend().held = () => undefined;
    const answer = dataplane.connect("tcp", LISTEN);
    await clock.advance(400);
    await apply({ frontends: [{ ...HOLDING, name: "other" }] });
    expect(take("hold", "release")).toMatchObject([{ type: "hold", frontend: "front" }]);
    await clock.advance(100);
    await engine.warmTarget("backend", "asked to");
    await answer;
    expect(take("hold", "release")).toMatchObject([{ type: "release", frontend: "other", outcome: "passed", held_ms: 500 }]);
    await engine.close();
  });

  it("ask for no gates where nobody listens", async () => {
    const gates = { ...HOLDING.gates, deny: [parseCidr("192.0.2.0/24")] };
    const { engine, start, dataplane } = await givenEngine({ frontends: [{ ...HOLDING, gates }] });
    await start();
    dataplane.send("tcp", LISTEN);
    let asked = 0;
    for (const mapping of [...dataplane.groups].flatMap((group) => group.taking())) {
      const counters = mapping.counters.bind(mapping);
      mapping.counters = () => {
        asked++;
        return counters();
      };
    }
    await engine.reportGates();
    expect(asked).toBe(0);
    engine.onEvent(() => undefined);
    await engine.reportGates();
    expect(asked).toBe(1);
    await engine.close();
  });
});
