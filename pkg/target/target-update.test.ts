import { describe, expect, it } from "vitest";
import { givenTarget, LISTEN } from "../../test/fixture/target.ts";
import { settle } from "../clock/fake-clock.ts";
import { gate } from "../clock/gate.ts";
import type { ReadyConfig } from "../config/types.ts";
import { FakeDataplane } from "../dataplane/fake.ts";
import { Fault } from "../fault/fault.ts";
import { openTarget, TARGET_CONFIG } from "./open-target.ts";

const OTHER = { ...TARGET_CONFIG, options: { command: "other" } };

describe("Target: another configuration", () => {
  it("accepts what differs in its own settings, and options that its handler takes over", async () => {
    const { handler, target } = await givenTarget();
    expect(target.accepts({ ...TARGET_CONFIG, idleTimeoutMs: 1 })).toBe(true);
    expect(target.accepts(OTHER)).toBe(false);
    handler.takesOver = (options) => (options as { command?: string }).command === "other";
    expect(target.accepts(OTHER)).toBe(true);
    expect(target.accepts({ ...TARGET_CONFIG, options: { command: "third" } })).toBe(false);
    expect(handler.calls).toEqual([]);
  });

  it("hands its handler the options when they differ, and only then", async () => {
    const { handler, target } = await givenTarget();
    handler.takesOver = () => true;
    target.update({ ...TARGET_CONFIG, idleTimeoutMs: 5000 });
    expect(handler.calls).toEqual([]);
    target.update(OTHER);
    target.update(OTHER);
    expect(handler.calls).toEqual(['options {"command":"other"}']);
    expect(target.config).toBe(OTHER);
  });

  it("takes over idle_timeout while it is active, counted from the last packet", async () => {
    const { clock, dataplane, target } = await givenTarget();
    await target.warm({ reason: "test" });
    await clock.advance(10_000);
    dataplane.send("tcp", LISTEN);
    dataplane.hangUp("backend");
    await clock.advance(5000);
    target.update({ ...TARGET_CONFIG, idleTimeoutMs: 20_000 });
    await clock.advance(14_999);
    expect(target.state).toBe("active");
    await clock.advance(1);
    expect(target.state).toBe("inactive");
    // and the next time
    await target.warm({ reason: "test" });
    await clock.advance(19_999);
    expect(target.state).toBe("active");
    await clock.advance(1);
    expect(target.state).toBe("inactive");
  });

  it("takes over ready with the next start", async () => {
    const { clock, log, handler } = await givenTarget();
    const asked: ReadyConfig[] = [];
    const dataplane = new FakeDataplane(clock, log);
    await dataplane.start({ routeLocalnet: false, forwardIPv4: false, forwardIPv6: false, hold: true });
    await dataplane.commit();
    const untilReady = (ready: ReadyConfig): Promise<void> => {
      asked.push(ready);
      return Promise.resolve();
    };
    const target = await openTarget({ dataplane, clock, log, untilReady, createHandler: () => handler });
    const ready: ReadyConfig = { probe: { kind: "tcp" }, timeoutMs: 5 };
    target.update({ ...TARGET_CONFIG, ready });
    await target.warm({ reason: "test" });
    expect(asked).toEqual([ready]);
    await target.close();
  });
});

describe("Target: making way for the next one", () => {
  it("stops the service, flows or no flows, and is not warmed again", async () => {
    const { dataplane, handler, target, states } = await givenTarget();
    await target.warm({ reason: "test" });
    dataplane.send("tcp", LISTEN);
    await target.retire("its configuration changed");
    expect(handler.calls).toEqual(["warm", "drain"]);
    expect(dataplane.flows).toEqual([]);
    target.signal({ reason: "first packet" });
    await expect(target.warm({ reason: "asked" })).rejects.toMatchObject({ code: "TARGET_CLOSED" });
    expect(states).toEqual(["warming", "active", "draining", "inactive"]);
    await target.close();
    expect(handler.calls).toEqual(["warm", "drain", "close"]);
  });

  it("calls a start off, and turns nobody away who is held", async () => {
    const { dataplane, handler, target } = await givenTarget({ whenCold: "hold" });
    handler.warmGate = gate().promise;
    const held = dataplane.connect("tcp", LISTEN);
    const warmed = target.warm({ reason: "first packet" }).catch((error: unknown) => error);
    await settle();
    await target.retire("its configuration changed");
    expect(await warmed).toMatchObject({ code: "TARGET_CLOSED" });
    target.refuseWhileWaiting();
    expect([target.group.held, target.lastError]).toEqual([1, undefined]);
    await target.close();
    expect(await held).toBeUndefined();
  });

  it("turns nobody away either when it has just failed to start", async () => {
    const { dataplane, target, readiness } = await givenTarget({ whenCold: "hold" });
    readiness.wait = () => Promise.reject(new Fault("NOT_READY", "not ready"));
    await target.warm({ reason: "test" }).catch(() => undefined);
    await target.retire("its configuration changed");
    const held = dataplane.connect("tcp", LISTEN);
    target.refuseWhileWaiting();
    expect(target.group.held).toBe(1);
    await target.close();
    expect(await held).toBeUndefined();
  });

  it("does not go back to active for traffic that comes while it drains", async () => {
    const { clock, dataplane, handler, target, states } = await givenTarget({ whenCold: "hold" });
    await target.warm({ reason: "test" });
    let retired: Promise<void> | undefined;
    target.onState((state) => {
      if (state !== "draining") return;
      dataplane.connect("tcp", LISTEN).catch(() => undefined);
      retired = target.retire("its configuration changed");
    });
    await clock.advance(60_000);
    await retired;
    expect(states).toEqual(["warming", "active", "draining", "inactive"]);
    expect(handler.calls).toEqual(["warm", "drain"]);
  });

  it("tells when the service could not be stopped", async () => {
    const { handler, target } = await givenTarget();
    await target.warm({ reason: "test" });
    handler.drainFailure = new Error("cannot be killed");
    await expect(target.retire("its configuration changed")).rejects.toThrow("cannot be killed");
    expect(target.state).toBe("inactive");
  });
});
