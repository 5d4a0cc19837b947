import { describe, expect, it, vi } from "vitest";
import { givenTarget, LISTEN } from "../../test/fixture/target.ts";
import { settle } from "../clock/fake-clock.ts";
import { gate } from "../clock/gate.ts";
import { TARGET_CONFIG } from "./open-target.ts";

describe("Target: when nobody uses it", () => {
  it("drains when it has been idle for its timeout, and not before", async () => {
    const { clock, dataplane, target, states } = await givenTarget();
    await target.warm({ reason: "test" });
    await clock.advance(30_000);
    dataplane.send("tcp", LISTEN);
    dataplane.hangUp("backend");
    await clock.advance(59_999);
    expect(target.state).toBe("active");
    await clock.advance(1);
    expect(target.state).toBe("inactive");
    expect(states).toEqual(["warming", "active", "draining", "inactive"]);
  });

  it("stays active while a silent flow is alive", async () => {
    const { clock, dataplane, target } = await givenTarget();
    await target.warm({ reason: "test" });
    dataplane.send("tcp", LISTEN);
    await clock.advance(300_000 + 59_000);
    expect(target.state).toBe("active");
    await clock.advance(2000);
    expect(target.state).toBe("inactive");
  });

  it("calls a drain off when traffic came meanwhile", async () => {
    const { clock, dataplane, target, states, handler } = await givenTarget();
    await target.warm({ reason: "test" });
    target.onState((state) => {
      if (state === "draining") dataplane.send("tcp", LISTEN);
    });
    await clock.advance(60_000);
    expect(target.state).toBe("active");
    expect(states).toEqual(["warming", "active", "draining", "active"]);
    expect(handler.calls).toEqual(["warm"]);
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
  });

  it("loses no flow that comes while it drains", async () => {
    const { clock, dataplane, target, states, handler } = await givenTarget({ whenCold: "hold" });
    await target.warm({ reason: "test" });
    const answers: Promise<string | undefined>[] = [];
    target.onState((state) => {
      if (state === "draining" && answers.length === 0) answers.push(dataplane.connect("tcp", LISTEN));
    });
    await clock.advance(60_000);
    // the flow came just before new ones are held, or just after: the drain is called off either way
    expect(await answers[0]).toBe("127.0.0.1:8080");
    expect(states.slice(2)).toEqual(["draining", "active"]);
    // and one that comes while the service is being stopped is held until it is up again
    const hold = gate();
    handler.drainGate = hold.promise;
    dataplane.hangUp("backend");
    await clock.advance(60_000);
    expect(target.state).toBe("draining");
    const late = dataplane.connect("tcp", LISTEN);
    target.signal({ reason: "held" });
    hold.open();
    expect(await late).toBe("127.0.0.1:8080");
    await settle();
    expect(states.slice(4)).toEqual(["draining", "inactive", "warming", "active"]);
  });

  it("says how many flows are alive instead of cutting them, unless forced", async () => {
    const { dataplane, target } = await givenTarget();
    await target.warm({ reason: "test" });
    dataplane.send("tcp", LISTEN);
    dataplane.send("tcp", LISTEN);
    await expect(target.drain("test", false)).rejects.toMatchObject({
      code: "TARGET_BUSY",
      message: expect.stringContaining("2 flows are alive") as string,
    });
    expect(target.state).toBe("active");
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
    await target.drain("test", true);
    expect(target.state).toBe("inactive");
    expect(dataplane.flows).toEqual([]);
  });

  it("does not stop the service when nobody can tell whether a flow is alive", async () => {
    const { clock, dataplane, handler, target, states } = await givenTarget();
    await target.warm({ reason: "test" });
    const flows = vi.spyOn(target.group, "flows").mockRejectedValue(new Error("the kernel did not tell"));
    await expect(target.drain("test", false)).rejects.toMatchObject({ code: "FLOWS_UNKNOWN" });
    expect(target.state).toBe("active");
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
    flows.mockRestore();
    // the idle watch asks once itself, and gets its answer; the drain does not
    dataplane.flows = [];
    const busy = vi.spyOn(target.group, "flows").mockResolvedValueOnce({ count: 0, longestMs: 0 });
    busy.mockRejectedValueOnce(new Error("the kernel did not tell"));
    await clock.advance(TARGET_CONFIG.idleTimeoutMs);
    expect(states.slice(-2)).toEqual(["draining", "active"]);
    expect(handler.calls).toEqual(["warm"]);
    busy.mockRestore();
    await target.drain("test", true);
    expect(handler.calls).toEqual(["warm", "drain"]);
  });

  it("is not drained while it is wanted, and is when that ends", async () => {
    const { clock, target } = await givenTarget();
    const release = target.wants.add("always");
    await target.warm({ reason: "test" });
    await clock.advance(1_000_000);
    expect(target.state).toBe("active");
    await expect(target.drain("test", true)).rejects.toMatchObject({ code: "TARGET_WANTED" });
    release();
    release();
    await clock.advance(0);
    expect(target.state).toBe("inactive");
  });
});
