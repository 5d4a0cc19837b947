import { describe, expect, it } from "vitest";
import { DEATH, type GivenTarget, givenTarget, givenTargetOf, LISTEN } from "../../test/fixture/target.ts";
import { settle } from "../clock/fake-clock.ts";
import { gate } from "../clock/gate.ts";
import { LastingHandler, ScriptedHandler } from "./scripted-handler.ts";

type From = "inactive" | "warming" | "active" | "draining";

/** Brings the target there; `goOn` lets a step that was stopped halfway go on. */
async function bring({ handler, target }: GivenTarget, to: From): Promise<{ goOn: () => void; work: Promise<unknown> }> {
  const { promise, open: goOn } = gate();
  if (to === "warming") handler.warmGate = promise;
  if (to === "draining") handler.drainGate = promise;
  const ignored = (error: unknown): unknown => error;
  const work: Promise<unknown>[] = [];
  if (to !== "inactive") work.push(target.warm({ reason: "test" }).catch(ignored));
  await settle();
  if (to === "draining") work.push(target.drain("test", true).catch(ignored));
  await settle();
  expect(target.state).toBe(to);
  return { goOn, work: Promise.all(work) };
}

describe("Target: its end", () => {
  it.each<From>(["inactive", "warming", "active", "draining"])("closes from %s, once", async (from) => {
    const given = await givenTarget();
    const { handler, target, dataplane } = given;
    const { goOn, work } = await bring(given, from);
    const closed = target.close();
    if (from === "draining") goOn();
    await closed;
    await target.close();
    await work;
    expect(target.state).toBe("closed");
    expect(handler.calls.at(-1)).toBe("close");
    expect(dataplane.groups.size).toBe(0);
    await expect(target.warm({ reason: "late" })).rejects.toMatchObject({ code: "TARGET_CLOSED" });
    target.signal({ reason: "late" });
    handler.died(DEATH);
    await settle();
    expect(target.state).toBe("closed");
  });

  it.each<[From, string[], string[]]>([
    ["inactive", ["detach"], ["closed"]],
    // the start was called off, as its handler was told to
    ["warming", ["warm", "detach"], ["warming", "inactive", "closed"]],
    ["active", ["warm", "detach"], ["warming", "active", "inactive", "closed"]],
    // that was begun before: there is nothing left to keep
    ["draining", ["warm", "drain", "detach"], ["warming", "active", "draining", "inactive", "closed"]],
  ])("keeps its service and its way in the packet path when closed from %s", async (from, calls, moves) => {
    const given = await givenTargetOf({ handler: new LastingHandler() });
    const { handler, target, dataplane, states, log } = given;
    const { goOn, work } = await bring(given, from);
    const closed = target.close("keep");
    if (from === "draining") goOn();
    await Promise.all([closed, work]);
    await target.close("stop");
    expect([handler.calls, states]).toEqual([calls, moves]);
    expect(dataplane.groups.size).toBe(1);
    if (from === "active") expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
    expect([target.lastError, log.messages("error")]).toEqual([undefined, []]);
  });

  it("leaves a service alone that was started and is not ready yet", async () => {
    const given = await givenTargetOf({ handler: new LastingHandler(), mapping: { whenCold: "hold" } });
    const { handler, target, dataplane, readiness } = given;
    readiness.wait = (signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          reject(signal.reason as Error);
        });
      });
    const warmed = target.warm({ reason: "test" }).catch((error: unknown) => error);
    await settle();
    await target.close("keep");
    expect(await warmed).toMatchObject({ code: "TARGET_CLOSED" });
    expect(handler.calls).toEqual(["warm", "detach"]);
    expect(dataplane.groups.size).toBe(1);
  });

  it.each<[From, string[]]>([
    ["inactive", ["close"]],
    ["warming", ["warm", "close"]],
    ["active", ["warm", "drain", "close"]],
    ["draining", ["warm", "drain", "close"]],
  ])("stops from %s a service that can't go on by itself", async (from, calls) => {
    const given = await givenTargetOf({ handler: new ScriptedHandler() });
    const { goOn, work } = await bring(given, from);
    const closed = given.target.close("keep");
    if (from === "draining") goOn();
    await Promise.all([closed, work]);
    expect(given.handler.calls).toEqual(calls);
    // the table stays as it is by now: nobody is sent to where nobody listens
    expect(given.dataplane.send("tcp", LISTEN)).toBeUndefined();
  });

  it("keeps a service that is found to be used when it was to be stopped for being idle", async () => {
    const { clock, dataplane, handler, target, states } = await givenTargetOf({ handler: new LastingHandler() });
    await target.warm({ reason: "test" });
    let closed: Promise<void> | undefined;
    target.onState((state) => {
      if (state !== "draining") return;
      dataplane.send("tcp", LISTEN);
      closed = target.close("keep");
    });
    await clock.advance(60_000);
    await closed;
    expect(states).toEqual(["warming", "active", "draining", "active", "inactive", "closed"]);
    expect(handler.calls).toEqual(["warm", "detach"]);
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
    expect(dataplane.flows).toHaveLength(2);
    await clock.advance(0);
    expect(clock.sleeping).toBe(0);
  });

  it("is closed all the same when its handler fails to let go", async () => {
    const handler = new LastingHandler();
    handler.detach = () => Promise.reject(new Error("no room on the disk"));
    const { target, states } = await givenTargetOf({ handler });
    await target.warm({ reason: "test" });
    const closed = target.close("keep");
    await expect(closed).rejects.toThrow("no room on the disk");
    expect(states.at(-1)).toBe("closed");
  });
});
