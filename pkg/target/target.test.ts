import { afterEach, describe, expect, it } from "vitest";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import type { TargetConfig } from "../config/types.ts";
import type { MappingSpec } from "../dataplane/dataplane.ts";
import { FakeDataplane } from "../dataplane/fake.ts";
import { Fault } from "../fault/fault.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { parseAddrPort } from "../value/addr-port.ts";
import { ScriptedHandler } from "./scripted-handler.ts";
import { Target } from "./target.ts";

const ENDPOINT = parseAddrPort("127.0.0.1:8080");
const LISTEN = parseAddrPort("192.0.2.1:80");
const CONFIG: TargetConfig = {
  name: "backend",
  kind: { namespace: "test", name: "scripted" },
  idleTimeoutMs: 60_000,
  endpoints: [{ name: "http", protocol: "tcp", addresses: [ENDPOINT] }],
  options: {},
};
const MAPPING: MappingSpec = {
  name: "front",
  protocol: "tcp",
  routes: [{ listen: LISTEN, endpoint: ENDPOINT }],
  flowTimeoutMs: 300_000,
  masquerade: "auto",
};
const DEATH = new Fault("COMMAND_EXITED", "command ended with exit code 3");

/** A promise and what settles it. */
function gate(): { promise: Promise<void>; open: () => void } {
  let open: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

async function setUp() {
  const clock = new FakeClock();
  const dataplane = new FakeDataplane(clock);
  await dataplane.start({ routeLocalnet: false, forwardIPv4: false, forwardIPv6: false });
  const log = collectingLog();
  const handler = new ScriptedHandler();
  const target = new Target({
    config: CONFIG,
    dataplane,
    clock,
    log,
    createHandler: (died) => {
      handler.died = died;
      return handler;
    },
  });
  await target.open();
  await target.group.createMapping(MAPPING).enable();
  const states: string[] = [];
  target.onState((state) => states.push(state));
  return { clock, dataplane, log, handler, target, states };
}

describe("Target", () => {
  let open: Target | undefined;
  afterEach(async () => {
    await open?.close();
    open = undefined;
  });

  async function given() {
    const all = await setUp();
    open = all.target;
    return all;
  }

  it("takes flows when it is active, and stops taking them when drained", async () => {
    const { dataplane, handler, target, states } = await given();
    expect(dataplane.send("tcp", LISTEN)).toBeUndefined();
    await target.warm("test");
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
    await target.drain("test");
    expect(dataplane.send("tcp", LISTEN)).toBeUndefined();
    expect(dataplane.flows).toEqual([]);
    expect(states).toEqual(["warming", "active", "draining", "inactive"]);
    expect(handler.calls).toEqual(["warm", "drain"]);
  });

  it("warms once, whoever asks while it is under way", async () => {
    const { handler, target } = await given();
    target.signal("one");
    await Promise.all([target.warm("two"), target.warm("three")]);
    await target.warm("four");
    expect(handler.calls).toEqual(["warm"]);
  });

  it("drains when it has been idle for its timeout, and not before", async () => {
    const { clock, dataplane, target, states } = await given();
    await target.warm("test");
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
    const { clock, dataplane, target } = await given();
    await target.warm("test");
    dataplane.send("tcp", LISTEN);
    await clock.advance(300_000 + 59_000);
    expect(target.state).toBe("active");
    await clock.advance(2000);
    expect(target.state).toBe("inactive");
  });

  it("calls a drain off when traffic came meanwhile", async () => {
    const { clock, dataplane, target, states, handler } = await given();
    await target.warm("test");
    target.onState((state) => {
      if (state === "draining") dataplane.send("tcp", LISTEN);
    });
    await clock.advance(60_000);
    expect(target.state).toBe("active");
    expect(states).toEqual(["warming", "active", "draining", "active"]);
    expect(handler.calls).toEqual(["warm"]);
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
  });

  it("is not drained while it is wanted, and is when that ends", async () => {
    const { clock, target } = await given();
    const release = target.wants.add("always");
    await target.warm("test");
    await clock.advance(1_000_000);
    expect(target.state).toBe("active");
    await expect(target.drain("test")).rejects.toMatchObject({ code: "TARGET_WANTED" });
    release();
    release();
    await clock.advance(0);
    expect(target.state).toBe("inactive");
  });

  it("keeps the error of a warm that failed, and waits longer before each next try", async () => {
    const { clock, handler, target } = await given();
    handler.warmFailure = new Error("no such file");
    const tries: number[] = [];
    const start = clock.now();
    for (let step = 0; step < 1500; step++) {
      const before = handler.calls.length;
      target.signal("again");
      await settle();
      if (handler.calls.length > before) tries.push((clock.now() - start) / 1000);
      await clock.advance(100);
    }
    expect(tries).toEqual([0, 1, 3, 7, 15, 31, 63, 123]);
    expect(target.state).toBe("inactive");
    expect(target.lastError?.message).toBe("no such file");
    handler.warmFailure = undefined;
    await target.warm("a person does not wait");
    expect(target.state).toBe("active");
  }, 20_000);

  it("begins again with a short delay after success", async () => {
    const { clock, handler, target } = await given();
    handler.warmFailure = new Error("no");
    await target.warm("1").catch(() => undefined);
    await target.warm("2").catch(() => undefined);
    handler.warmFailure = undefined;
    await target.warm("3");
    await clock.advance(5000);
    handler.died(DEATH);
    await clock.advance(999);
    target.signal("too early");
    expect(target.state).toBe("inactive");
    await clock.advance(1);
    target.signal("now");
    await settle();
    expect(target.state).toBe("active");
  });

  it("goes inactive at once when the service dies, cuts its flows, and can be warmed again", async () => {
    const { clock, dataplane, handler, target, states } = await given();
    await target.warm("test");
    dataplane.send("tcp", LISTEN);
    handler.died(DEATH);
    expect(target.state).toBe("inactive");
    expect(target.lastError?.message).toBe("command ended with exit code 3");
    await settle();
    expect(dataplane.send("tcp", LISTEN)).toBeUndefined();
    expect(dataplane.flows).toEqual([]);
    await clock.advance(1000);
    target.signal("again");
    await settle();
    expect(states).toEqual(["warming", "active", "inactive", "warming", "active"]);
    expect(handler.calls).toEqual(["warm", "warm"]);
  });

  it("fails a warm during which the service dies", async () => {
    const { handler, target } = await given();
    handler.warmGate = gate().promise;
    const warm = target.warm("test");
    await settle();
    handler.died(DEATH);
    await expect(warm).rejects.toBe(DEATH);
    expect(target.state).toBe("inactive");
  });

  it("undoes a warm that the dataplane fails", async () => {
    const { dataplane, handler, target } = await given();
    const hold = gate();
    handler.warmGate = hold.promise;
    const warm = target.warm("test");
    await settle();
    dataplane.nextFailure = new Error("nft failed");
    hold.open();
    await expect(warm).rejects.toThrow("nft failed");
    expect(target.state).toBe("inactive");
    expect(handler.calls).toEqual(["warm", "drain"]);
  });

  it("warms after a drain that is under way", async () => {
    const { handler, target, states } = await given();
    await target.warm("test");
    const hold = gate();
    handler.drainGate = hold.promise;
    const drain = target.drain("test");
    await settle();
    target.signal("while draining");
    hold.open();
    await drain;
    await settle();
    expect(states).toEqual(["warming", "active", "draining", "inactive", "warming", "active"]);
  });

  it("is inactive after a stop that failed, with the error", async () => {
    const { handler, target } = await given();
    await target.warm("test");
    handler.drainFailure = new Error("cannot be killed");
    await expect(target.drain("test")).rejects.toThrow("cannot be killed");
    expect(target.state).toBe("inactive");
    expect(target.lastError?.message).toBe("cannot be killed");
    handler.drainFailure = undefined;
  });

  it.each(["inactive", "warming", "active", "draining"])("closes from %s, once", async (from) => {
    const { handler, target, dataplane } = await given();
    const hold = gate();
    if (from === "warming") handler.warmGate = hold.promise;
    if (from === "draining") handler.drainGate = hold.promise;
    const work: Promise<unknown>[] = [];
    if (from !== "inactive") work.push(target.warm("test").catch((error: unknown) => error));
    await settle();
    if (from === "draining") work.push(target.drain("test"));
    await settle();
    expect(target.state).toBe(from);
    const closed = target.close();
    if (from === "draining") hold.open();
    await closed;
    await target.close();
    await Promise.all(work);
    expect(target.state).toBe("closed");
    expect(handler.calls.at(-1)).toBe("close");
    expect(dataplane.groups.size).toBe(0);
    await expect(target.warm("late")).rejects.toMatchObject({ code: "TARGET_CLOSED" });
    target.signal("late");
    handler.died(DEATH);
    await settle();
    expect(target.state).toBe("closed");
  });

  it("logs each change of state once, with its reason", async () => {
    const { handler, target, log } = await given();
    await target.warm("asked to");
    handler.died(DEATH);
    const lines = log.entries.filter(({ message }) => message === "target state");
    expect(lines.map(({ level, fields }) => [level, fields["from"], fields["to"], fields["reason"] ?? fields["error"]])).toEqual([
      ["info", "inactive", "warming", "asked to"],
      ["info", "warming", "active", "asked to"],
      ["error", "active", "inactive", "command ended with exit code 3"],
    ]);
  });
});
