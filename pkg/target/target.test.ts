import { afterEach, describe, expect, it, vi } from "vitest";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import type { TargetConfig } from "../config/types.ts";
import type { MappingSpec } from "../dataplane/dataplane.ts";
import { FakeDataplane } from "../dataplane/fake.ts";
import { Fault } from "../fault/fault.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { parseAddrPort } from "../value/addr-port.ts";
import { ScriptedHandler } from "./scripted-handler.ts";
import { openTarget } from "./open-target.ts";

const ENDPOINT = parseAddrPort("127.0.0.1:8080");
const LISTEN = parseAddrPort("192.0.2.1:80");
const CONFIG: TargetConfig = {
  name: "backend",
  kind: { namespace: "test", name: "scripted" },
  idleTimeoutMs: 60_000,
  ready: { probe: { kind: "none" }, timeoutMs: 30_000 },
  endpoints: [{ name: "http", protocol: "tcp", addresses: [ENDPOINT] }],
  options: {},
};
const MAPPING: MappingSpec = {
  name: "front",
  protocol: "tcp",
  routes: [{ listen: LISTEN, endpoint: ENDPOINT }],
  flowTimeoutMs: 300_000,
  masquerade: "auto",
  whenCold: "pass",
  hold: { timeoutMs: 30_000, maxFlows: 1024 },
  gates: { allow: [], deny: [], ignore: [] },
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

let lastClock: FakeClock | undefined;

async function setUp(
  mapping: Partial<MappingSpec>,
  found: { running: boolean; wait?: (signal: AbortSignal) => Promise<void> } = { running: false },
) {
  const clock = new FakeClock();
  lastClock = clock;
  const dataplane = new FakeDataplane(clock, collectingLog());
  await dataplane.start({ routeLocalnet: false, forwardIPv4: false, forwardIPv6: false, hold: true });
  const log = collectingLog();
  const handler = new ScriptedHandler();
  const readiness = {
    wait: async (signal: AbortSignal): Promise<void> => {
      signal.throwIfAborted();
      await Promise.resolve();
    },
  };
  handler.running = found.running;
  if (found.wait !== undefined) readiness.wait = found.wait;
  await dataplane.commit();
  const target = await openTarget(
    {
      config: CONFIG,
      dataplane,
      clock,
      log,
      untilReady: (_ready, signal) => readiness.wait(signal),
      createHandler: (died) => {
        handler.died = died;
        return handler;
      },
    },
    true,
  );
  await target.group.createMapping({ ...MAPPING, ...mapping }).enable();
  const states: string[] = [];
  target.onState((state) => states.push(state));
  return { clock, dataplane, log, handler, readiness, target, states };
}

describe("Target", () => {
  let open: Awaited<ReturnType<typeof openTarget>> | undefined;
  afterEach(async () => {
    await open?.close();
    open = undefined;
  });

  async function given(mapping: Partial<MappingSpec> = {}) {
    const all = await setUp(mapping);
    open = all.target;
    return all;
  }

  it("takes flows when it is active, and stops taking them when drained", async () => {
    const { dataplane, handler, target, states } = await given();
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
    const { handler, target } = await given();
    target.signal({ reason: "one" });
    await Promise.all([target.warm({ reason: "two" }), target.warm({ reason: "three" })]);
    await target.warm({ reason: "four" });
    expect(handler.calls).toEqual(["warm"]);
  });

  it("drains when it has been idle for its timeout, and not before", async () => {
    const { clock, dataplane, target, states } = await given();
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
    const { clock, dataplane, target } = await given();
    await target.warm({ reason: "test" });
    dataplane.send("tcp", LISTEN);
    await clock.advance(300_000 + 59_000);
    expect(target.state).toBe("active");
    await clock.advance(2000);
    expect(target.state).toBe("inactive");
  });

  it("calls a drain off when traffic came meanwhile", async () => {
    const { clock, dataplane, target, states, handler } = await given();
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

  it("lets held flows go as soon as it is ready, not before", async () => {
    const { dataplane, target, readiness, handler } = await given({ whenCold: "hold" });
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

  it("refuses held flows when it does not get ready, and new ones until the next try", async () => {
    const { clock, dataplane, target, readiness, handler } = await given({ whenCold: "hold" });
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
    const { dataplane, target, readiness, handler } = await given({ whenCold: "hold" });
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
    const { dataplane, target, readiness, handler } = await given({ whenCold: "hold" });
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

  it("loses no flow that comes while it drains", async () => {
    const { clock, dataplane, target, states, handler } = await given({ whenCold: "hold" });
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
    const { dataplane, target } = await given();
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
    const { clock, dataplane, handler, target, states } = await given();
    await target.warm({ reason: "test" });
    const flows = vi.spyOn(target.group, "flows").mockRejectedValue(new Error("conntrack did not end"));
    await expect(target.drain("test", false)).rejects.toMatchObject({ code: "FLOWS_UNKNOWN" });
    expect(target.state).toBe("active");
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
    flows.mockRestore();
    // the idle watch asks once itself, and gets its answer; the drain does not
    dataplane.flows = [];
    const busy = vi.spyOn(target.group, "flows").mockResolvedValueOnce({ count: 0, longestMs: 0 });
    busy.mockRejectedValueOnce(new Error("conntrack did not end"));
    await clock.advance(CONFIG.idleTimeoutMs);
    expect(states.slice(-2)).toEqual(["draining", "active"]);
    expect(handler.calls).toEqual(["warm"]);
    busy.mockRestore();
    await target.drain("test", true);
    expect(handler.calls).toEqual(["warm", "drain"]);
  });

  it("remembers who woke it, and how long that took", async () => {
    const { clock, target, readiness } = await given();
    expect(target.lastWake).toBeUndefined();
    const hold = gate();
    readiness.wait = () => hold.promise;
    target.signal({ reason: "first packet", frontend: "front", source: "192.0.2.99:5000" });
    await clock.advance(1500);
    hold.open();
    await settle();
    expect(target.lastWake).toMatchObject({ frontend: "front", source: "192.0.2.99:5000", tookMs: 1500 });
  });

  it("takes over a service that still runs, without starting it again", async () => {
    const { handler, target, dataplane, states } = await setUp({}, { running: true });
    open = target;
    expect(target.state).toBe("active");
    expect(handler.calls).toEqual([]);
    expect(target.lastWake).toBeUndefined();
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
    await target.drain("test", true);
    expect(handler.calls).toEqual(["drain"]);
    expect(states).toEqual(["draining", "inactive"]);
  });

  it("does not wait at the start for a service that still runs but is not ready", async () => {
    const hold = gate();
    const opened = setUp({}, { running: true, wait: () => hold.promise });
    await settle();
    lastClock?.advance(500).catch(() => undefined);
    const { target } = await opened;
    open = target;
    expect(target.state).toBe("warming");
    hold.open();
    await settle();
    expect(target.state).toBe("active");
  });

  it("starts the service anew when what was found running dies at once", async () => {
    const { handler, target } = await setUp({}, { running: true, wait: () => Promise.reject(new Error("connection refused")) });
    open = target;
    expect(target.state).toBe("inactive");
    expect(handler.calls).toEqual(["drain"]);
  });

  it("is not drained while it is wanted, and is when that ends", async () => {
    const { clock, target } = await given();
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

  it("keeps the error of a warm that failed, and waits longer before each next try", async () => {
    const { clock, handler, target } = await given();
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
    const { clock, handler, target } = await given();
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
    const { clock, dataplane, handler, target, states } = await given();
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
    const { clock, dataplane, handler, target } = await given({ whenCold: "hold" });
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
    const { handler, target } = await given();
    handler.warmGate = gate().promise;
    const warm = target.warm({ reason: "test" });
    await settle();
    handler.died(DEATH);
    await expect(warm).rejects.toBe(DEATH);
    expect(target.state).toBe("inactive");
  });

  it("undoes a warm that the dataplane fails", async () => {
    const { dataplane, handler, target } = await given();
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

  it("warms after a drain that is under way", async () => {
    const { handler, target, states } = await given();
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

  it("is inactive after a stop that failed, with the error", async () => {
    const { handler, target } = await given();
    await target.warm({ reason: "test" });
    handler.drainFailure = new Error("cannot be killed");
    await expect(target.drain("test", true)).rejects.toThrow("cannot be killed");
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
    if (from !== "inactive") work.push(target.warm({ reason: "test" }).catch((error: unknown) => error));
    await settle();
    if (from === "draining") work.push(target.drain("test", true));
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
    await expect(target.warm({ reason: "late" })).rejects.toMatchObject({ code: "TARGET_CLOSED" });
    target.signal({ reason: "late" });
    handler.died(DEATH);
    await settle();
    expect(target.state).toBe("closed");
  });

  it("logs each change of state once, with its reason", async () => {
    const { handler, target, log } = await given();
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
