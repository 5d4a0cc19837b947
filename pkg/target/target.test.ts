import { describe, expect, it } from "vitest";
import { DEATH, givenTarget, LISTEN } from "../../test/fixture/target.ts";
import { settle } from "../clock/fake-clock.ts";
import { gate } from "../clock/gate.ts";

describe("Target", () => {
  it("takes flows when it is active, and stops taking them when drained", async () => {
    const { dataplane, handler, target, states } = await givenTarget();
    expect(dataplane.send("tcp", LISTEN)).toBeUndefined();
    await target.warm({ reason: "test" });
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
    await target.drain("test", true);
    expect(dataplane.send("tcp", LISTEN)).toBeUndefined();
    expect(dataplane.flows).toEqual([]);
    expect(states).toEqual(["warming", "active", "draining", "inactive"]);
    expect(handler.calls).toEqual(["warm", "drain"]);
  });

  it("warms once, whoever asks while it is under way", async () => {
    const { handler, target } = await givenTarget();
    target.signal({ reason: "one" });
    await Promise.all([target.warm({ reason: "two" }), target.warm({ reason: "three" })]);
    await target.warm({ reason: "four" });
    expect(handler.calls).toEqual(["warm"]);
  });

  it("lets held flows go as soon as it is ready, not before", async () => {
    const { dataplane, target, readiness, handler } = await givenTarget({ whenCold: "hold" });
    const hold = gate();
    readiness.wait = () => hold.promise;
    const answer = dataplane.connect("tcp", LISTEN);
    const warm = target.warm({ reason: "test" });
    await settle();
    expect(handler.calls).toEqual(["warm"]);
    expect(target.group.held).toBe(1);
    expect(target.state).toBe("warming");
    hold.open();
    expect(await answer).toBe("127.0.0.1:8080");
    await warm;
    expect(target.state).toBe("active");
  });

  it("remembers who woke it, and how long that took", async () => {
    const { clock, target, readiness } = await givenTarget();
    expect(target.history.lastWake).toBeUndefined();
    const hold = gate();
    readiness.wait = () => hold.promise;
    target.signal({ reason: "first packet", frontend: "front", source: "192.0.2.99:5000" });
    await clock.advance(1500);
    hold.open();
    await settle();
    expect(target.history.lastWake).toMatchObject({ frontend: "front", source: "192.0.2.99:5000", tookMs: 1500 });
  });

  it("warms after a drain that is under way", async () => {
    const { handler, target, states } = await givenTarget();
    await target.warm({ reason: "test" });
    const hold = gate();
    handler.drainGate = hold.promise;
    const drain = target.drain("test", true);
    await settle();
    target.signal({ reason: "while draining" });
    hold.open();
    await drain;
    await settle();
    expect(states).toEqual(["warming", "active", "draining", "inactive", "warming", "active"]);
  });

  it("logs each change of state once, with its reason", async () => {
    const { handler, target, log } = await givenTarget();
    await target.warm({ reason: "asked to" });
    handler.died(DEATH);
    const lines = log.entries.filter(({ message }) => message === "target state");
    expect(lines.map(({ level, fields }) => [level, fields["from"], fields["to"], fields["reason"] ?? fields["error"]])).toEqual([
      ["info", "inactive", "warming", "asked to"],
      ["info", "warming", "active", "asked to"],
      ["error", "active", "inactive", "command ended with exit code 3"],
    ]);
  });
});
