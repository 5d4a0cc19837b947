import { describe, expect, it } from "vitest";
import { givenFrontend } from "../../test/fixture/frontend.ts";
import { LISTEN, MAPPING } from "../../test/fixture/target.ts";
import { settle } from "../clock/fake-clock.ts";
import { gate } from "../clock/gate.ts";
import { parseCidr } from "../value/cidr.ts";

describe("Frontend", () => {
  it("takes its target's flows while it runs", async () => {
    const { dataplane, target, frontend } = await givenFrontend();
    await target.warm({ reason: "test" });
    expect(dataplane.send("tcp", LISTEN)).toBeUndefined();
    await frontend.start("test");
    await frontend.start("test");
    expect(frontend.state).toBe("running");
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
    await frontend.stop("test");
    expect(frontend.state).toBe("stopped");
    expect(dataplane.send("tcp", LISTEN)).toBeUndefined();
    await frontend.start("test");
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
  });

  it("gives back at stop what its handler forgot: wants and listeners", async () => {
    const { target, frontend, handler } = await givenFrontend();
    await frontend.start("test");
    expect(target.wants.first()).toBe("front");
    await target.warm({ reason: "test" });
    await frontend.stop("test");
    expect(target.wants.first()).toBeUndefined();
    await target.drain("test", true);
    expect(handler.states).toEqual(["warming", "active"]);
  });

  it("passes warm signals on while it runs, and no others", async () => {
    const { target, frontend, handler } = await givenFrontend();
    handler.target.warm("too early");
    await settle();
    expect(target.state).toBe("inactive");
    await frontend.start("test");
    handler.target.warm("request");
    await settle();
    expect(handler.target.state).toBe("active");
    await frontend.stop("test");
    await target.drain("test", true);
    handler.target.warm("too late");
    handler.target.want();
    await settle();
    expect(target.state).toBe("inactive");
    expect(target.wants.first()).toBeUndefined();
  });

  it("tells what its gates turned away since the last time, once", async () => {
    const { dataplane, frontend, log } = await givenFrontend({
      gates: { allow: [], deny: [parseCidr("192.0.2.66")], ignore: [] },
    });
    await frontend.start("test");
    for (let packet = 0; packet < 3; packet++) await dataplane.connect("tcp", LISTEN, "192.0.2.66");
    await frontend.reportGates();
    await frontend.reportGates();
    expect(log.entries.filter(({ level }) => level === "debug")).toEqual([
      { level: "debug", message: "turned packets of new flows away", fields: { packets: 3, reason: "by deny, or not in allow" } },
    ]);
  });

  it("undoes a start that failed and keeps its error", async () => {
    const { dataplane, target, frontend, handler } = await givenFrontend();
    await target.warm({ reason: "test" });
    handler.startFailure = new Error("address in use");
    await expect(frontend.start("test")).rejects.toThrow("address in use");
    expect(frontend.state).toBe("stopped");
    expect(frontend.lastError?.message).toBe("address in use");
    expect(dataplane.send("tcp", LISTEN)).toBeUndefined();
    expect(target.wants.first()).toBeUndefined();
    handler.startFailure = undefined;
    await frontend.start("again");
    expect(frontend.state).toBe("running");
  });

  it("is stopped after a stop that failed", async () => {
    const { dataplane, target, frontend, handler } = await givenFrontend();
    await target.warm({ reason: "test" });
    await frontend.start("test");
    handler.stopFailure = new Error("stuck");
    await expect(frontend.stop("test")).rejects.toThrow("stuck");
    expect(frontend.state).toBe("stopped");
    expect(dataplane.send("tcp", LISTEN)).toBeUndefined();
  });

  it("closes from any state and frees its listen addresses", async () => {
    const { target, frontend, handler } = await givenFrontend();
    await frontend.start("test");
    await frontend.close();
    await frontend.close();
    expect(frontend.state).toBe("closed");
    expect(handler.calls).toEqual(["start", "stop", "close"]);
    await expect(frontend.start("late")).rejects.toMatchObject({ code: "FRONTEND_CLOSED" });
    target.group.createMapping(MAPPING);
  });

  it("closes while it is starting", async () => {
    const { frontend, handler } = await givenFrontend();
    const { promise, open } = gate();
    handler.startGate = promise;
    const started = frontend.start("test").catch((error: unknown) => error);
    await settle();
    const closed = frontend.close();
    open();
    await closed;
    expect(await started).toMatchObject({ code: "FRONTEND_CLOSED" });
    expect(frontend.state).toBe("closed");
  });
});
