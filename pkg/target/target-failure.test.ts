import { describe, expect, it, vi } from "vitest";
import { DEATH, givenTarget, LISTEN } from "../../test/fixture/target.ts";
import { settle } from "../clock/fake-clock.ts";
import { gate } from "../clock/gate.ts";
import { Fault } from "../fault/fault.ts";
import { TARGET_CONFIG } from "./open-target.ts";

describe("Target: what goes wrong", () => {
  it("refuses held flows when it does not get ready, and new ones until the next try", async () => {
    const { clock, dataplane, target, readiness, handler } = await givenTarget({ whenCold: "hold" });
    readiness.wait = () => Promise.reject(new Fault("NOT_READY", "not ready within 30000 ms"));
    const answer = dataplane.connect("tcp", LISTEN);
    await expect(target.warm({ reason: "test" })).rejects.toMatchObject({ code: "NOT_READY" });
    expect(await answer).toBeUndefined();
    expect(target.state).toBe("inactive");
    expect(handler.calls).toEqual(["warm", "drain"]);
    const meanwhile = dataplane.connect("tcp", LISTEN);
    target.refuseWhileWaiting();
    expect(await meanwhile).toBeUndefined();
    await clock.advance(1000);
    readiness.wait = () => Promise.resolve();
    const next = dataplane.connect("tcp", LISTEN);
    target.refuseWhileWaiting();
    target.signal({ reason: "next" });
    expect(await next).toBe("127.0.0.1:8080");
  });

  it("refuses flows at once when a start has failed, however long it takes to undo it", async () => {
    const { dataplane, target, readiness, handler } = await givenTarget({ whenCold: "hold" });
    readiness.wait = () => Promise.reject(new Fault("NOT_READY", "not ready within 30000 ms"));
    const stop = gate();
    handler.drainGate = stop.promise;
    const answer = dataplane.connect("tcp", LISTEN);
    const warm = target.warm({ reason: "test" });
    expect(await answer).toBeUndefined();
    expect(target.lastError?.message).toBe("not ready within 30000 ms");
    await settle();
    expect(handler.calls).toEqual(["warm", "drain"]);
    const meanwhile = dataplane.connect("tcp", LISTEN);
    target.refuseWhileWaiting();
    expect(await meanwhile).toBeUndefined();
    stop.open();
    await expect(warm).rejects.toMatchObject({ code: "NOT_READY" });
    expect(target.state).toBe("inactive");
  });

  it("fails at once when the service dies before it is ready", async () => {
    const { dataplane, target, readiness, handler } = await givenTarget({ whenCold: "hold" });
    readiness.wait = (signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          reject(signal.reason as Error);
        });
      });
    const answer = dataplane.connect("tcp", LISTEN);
    const warm = target.warm({ reason: "test" });
    await settle();
    handler.died(DEATH);
    await expect(warm).rejects.toBe(DEATH);
    expect(await answer).toBeUndefined();
    expect(target.lastError?.message).toBe("command ended with exit code 3");
  });

  it("keeps the error of a warm that failed, and waits longer before each next try", async () => {
    const { clock, handler, target } = await givenTarget();
    handler.warmFailure = new Error("no such file");
    const tries: number[] = [];
    const start = clock.now();
    for (let step = 0; step < 1500; step++) {
      const before = handler.calls.length;
      target.signal({ reason: "again" });
      await settle();
      if (handler.calls.length > before) tries.push((clock.now() - start) / 1000);
      await clock.advance(100);
    }
    expect(tries).toEqual([0, 1, 3, 7, 15, 31, 63, 123]);
    expect(target.state).toBe("inactive");
    expect(target.lastError?.message).toBe("no such file");
    handler.warmFailure = undefined;
    await target.warm({ reason: "a person does not wait" });
    expect(target.state).toBe("active");
  }, 20_000);

  it("begins again with a short delay after success", async () => {
    const { clock, handler, target } = await givenTarget();
    handler.warmFailure = new Error("no");
    await target.warm({ reason: "1" }).catch(() => undefined);
    await target.warm({ reason: "2" }).catch(() => undefined);
    handler.warmFailure = undefined;
    await target.warm({ reason: "3" });
    await clock.advance(5000);
    handler.died(DEATH);
    await clock.advance(999);
    target.signal({ reason: "too early" });
    expect(target.state).toBe("inactive");
    await clock.advance(1);
    target.signal({ reason: "now" });
    await settle();
    expect(target.state).toBe("active");
  });

  it("goes inactive at once when the service dies, cuts its flows, and can be warmed again", async () => {
    const { clock, dataplane, handler, target, states } = await givenTarget();
    await target.warm({ reason: "test" });
    dataplane.send("tcp", LISTEN);
    handler.died(DEATH);
    expect(target.state).toBe("inactive");
    expect(target.lastError?.message).toBe("command ended with exit code 3");
    await settle();
    expect(dataplane.send("tcp", LISTEN)).toBeUndefined();
    expect(dataplane.flows).toEqual([]);
    await clock.advance(1000);
    target.signal({ reason: "again" });
    await settle();
    expect(states).toEqual(["warming", "active", "inactive", "warming", "active"]);
    expect(handler.calls).toEqual(["warm", "warm"]);
  });

  it("goes on trying to take a dead service out of the packet path, and wakes it only then", async () => {
    const { clock, dataplane, handler, target } = await givenTarget({ whenCold: "hold" });
    await target.warm({ reason: "test" });
    dataplane.nextFailure = new Error("nft failed");
    handler.died(DEATH);
    await settle();
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
    await clock.advance(1000);
    expect(dataplane.send("tcp", LISTEN)).toBe("held");
    expect(dataplane.flows).toEqual([]);
  });

  it("fails a warm during which the service dies", async () => {
    const { handler, target } = await givenTarget();
    handler.warmGate = gate().promise;
    const warm = target.warm({ reason: "test" });
    await settle();
    handler.died(DEATH);
    await expect(warm).rejects.toBe(DEATH);
    expect(target.state).toBe("inactive");
  });

  it("undoes a warm that the dataplane fails", async () => {
    const { dataplane, handler, target } = await givenTarget();
    const hold = gate();
    handler.warmGate = hold.promise;
    const warm = target.warm({ reason: "test" });
    await settle();
    dataplane.nextFailure = new Error("nft failed");
    hold.open();
    await expect(warm).rejects.toThrow("nft failed");
    expect(target.state).toBe("inactive");
    expect(handler.calls).toEqual(["warm", "drain"]);
  });

  it("does not stop an idle service whose clients could not be held meanwhile, and drains it later", async () => {
    const { clock, dataplane, handler, target, states } = await givenTarget();
    await target.warm({ reason: "test" });
    const shut = vi.spyOn(target.group, "deactivate").mockRejectedValueOnce(new Error("nft failed"));
    await clock.advance(TARGET_CONFIG.idleTimeoutMs);
    expect(states.slice(-2)).toEqual(["draining", "active"]);
    expect(handler.calls).toEqual(["warm"]);
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
    dataplane.flows = [];
    shut.mockRejectedValueOnce(new Error("nft failed"));
    await expect(target.drain("test", false)).rejects.toMatchObject({ code: "NOT_SHUT" });
    await clock.advance(TARGET_CONFIG.idleTimeoutMs);
    expect(states.slice(-2)).toEqual(["draining", "inactive"]);
    expect(handler.calls).toEqual(["warm", "drain"]);
  });

  it("goes on trying to take a service back whose drain was called off, and gives up when it dies", async () => {
    const { clock, dataplane, handler, target } = await givenTarget({ whenCold: "hold" });
    await target.warm({ reason: "test" });
    dataplane.send("tcp", LISTEN);
    const open = vi.spyOn(target.group, "activate").mockRejectedValueOnce(new Error("nft failed"));
    const drain = target.drain("test", false);
    drain.catch(() => undefined);
    await settle();
    expect(target.state).toBe("draining");
    await clock.advance(1000);
    await expect(drain).rejects.toMatchObject({ code: "TARGET_BUSY" });
    expect(target.state).toBe("active");
    expect(handler.calls).toEqual(["warm"]);

    open.mockRejectedValue(new Error("nft failed"));
    const next = target.drain("test", false);
    next.catch(() => undefined);
    await settle();
    handler.died(DEATH);
    await clock.advance(1000);
    await expect(next).rejects.toBeDefined();
    expect(target.state).toBe("inactive");
  });

  it("is inactive after a stop that failed, with the error", async () => {
    const { handler, target } = await givenTarget();
    await target.warm({ reason: "test" });
    handler.drainFailure = new Error("cannot be killed");
    await expect(target.drain("test", true)).rejects.toThrow("cannot be killed");
    expect(target.state).toBe("inactive");
    expect(target.lastError?.message).toBe("cannot be killed");
    handler.drainFailure = undefined;
  });
});
