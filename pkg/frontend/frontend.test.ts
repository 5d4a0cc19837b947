import { describe, expect, it } from "vitest";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import { FakeDataplane } from "../dataplane/fake.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { ScriptedHandler } from "../target/scripted-handler.ts";
import { openTarget } from "../target/open-target.ts";
import type { GatesConfig } from "../config/types.ts";
import { parseAddrPort } from "../value/addr-port.ts";
import { parseCidr } from "../value/cidr.ts";
import { Frontend } from "./frontend.ts";
import type { FrontendHandler, FrontendTarget } from "./handler.ts";

const ENDPOINT = parseAddrPort("127.0.0.1:8080");
const LISTEN = parseAddrPort("192.0.2.1:80");

/** A frontend handler that wants its target while started. */
class WantingHandler implements FrontendHandler {
  readonly target: FrontendTarget;
  readonly calls: string[] = [];
  readonly states: string[] = [];
  startFailure: Error | undefined;
  startGate: Promise<void> | undefined;
  stopFailure: Error | undefined;

  constructor(target: FrontendTarget) {
    this.target = target;
  }

  async start(): Promise<void> {
    this.calls.push("start");
    this.target.want();
    this.target.onState((state) => this.states.push(state));
    await this.startGate;
    if (this.startFailure !== undefined) throw this.startFailure;
  }

  stop(): Promise<void> {
    this.calls.push("stop");
    return this.stopFailure === undefined ? Promise.resolve() : Promise.reject(this.stopFailure);
  }

  close(): Promise<void> {
    this.calls.push("close");
    return Promise.resolve();
  }
}

async function setUp(gates: GatesConfig = { allow: [], deny: [], ignore: [] }) {
  const clock = new FakeClock();
  const dataplane = new FakeDataplane(clock, collectingLog());
  await dataplane.start({ routeLocalnet: false, forwardIPv4: false, forwardIPv6: false, hold: true });
  await dataplane.commit();
  const log = collectingLog();
  const target = await openTarget({ dataplane, clock, log: collectingLog(), createHandler: () => new ScriptedHandler() });
  let handler: WantingHandler | undefined;
  const frontend = new Frontend({
    config: {
      name: "front",
      kind: { namespace: "test", name: "wanting" },
      protocol: "tcp",
      routes: [{ listen: LISTEN, endpoint: ENDPOINT }],
      flowTimeoutMs: 60_000,
      masquerade: "auto",
      whenCold: "pass",
      hold: { timeoutMs: 30_000, maxFlows: 1024 },
      gates,
      target: "backend",
      endpoint: "http",
      options: {},
    },
    target,
    clock,
    log,
    createHandler: (view) => (handler = new WantingHandler(view)),
  });
  frontend.open();
  if (handler === undefined) throw new Error("no handler was made");
  return { clock, dataplane, target, frontend, handler, log };
}

describe("Frontend", () => {
  it("takes its target's flows while it runs", async () => {
    const { dataplane, target, frontend } = await setUp();
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
    const { target, frontend, handler } = await setUp();
    await frontend.start("test");
    expect(target.wants.first()).toBe("front");
    await target.warm({ reason: "test" });
    await frontend.stop("test");
    expect(target.wants.first()).toBeUndefined();
    await target.drain("test", true);
    expect(handler.states).toEqual(["warming", "active"]);
  });

  it("passes warm signals on while it runs, and no others", async () => {
    const { target, frontend, handler } = await setUp();
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
    const { dataplane, frontend, log } = await setUp({ allow: [], deny: [parseCidr("192.0.2.66")], ignore: [] });
    await frontend.start("test");
    for (let packet = 0; packet < 3; packet++) await dataplane.connect("tcp", LISTEN, "192.0.2.66");
    await frontend.reportGates();
    await frontend.reportGates();
    expect(log.entries.filter(({ level }) => level === "debug")).toEqual([
      { level: "debug", message: "turned packets of new flows away", fields: { packets: 3, reason: "by deny, or not in allow" } },
    ]);
  });

  it("undoes a start that failed and keeps its error", async () => {
    const { dataplane, target, frontend, handler } = await setUp();
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
    const { dataplane, target, frontend, handler } = await setUp();
    await target.warm({ reason: "test" });
    await frontend.start("test");
    handler.stopFailure = new Error("stuck");
    await expect(frontend.stop("test")).rejects.toThrow("stuck");
    expect(frontend.state).toBe("stopped");
    expect(dataplane.send("tcp", LISTEN)).toBeUndefined();
  });

  it("closes from any state and frees its listen addresses", async () => {
    const { target, frontend, handler } = await setUp();
    await frontend.start("test");
    await frontend.close();
    await frontend.close();
    expect(frontend.state).toBe("closed");
    expect(handler.calls).toEqual(["start", "stop", "close"]);
    await expect(frontend.start("late")).rejects.toMatchObject({ code: "FRONTEND_CLOSED" });
    target.group.createMapping({
      name: "front",
      protocol: "tcp",
      routes: [{ listen: LISTEN, endpoint: ENDPOINT }],
      flowTimeoutMs: 60_000,
      masquerade: "auto",
      whenCold: "pass",
      hold: { timeoutMs: 30_000, maxFlows: 1024 },
      gates: { allow: [], deny: [], ignore: [] },
    });
  });

  it("closes while it is starting", async () => {
    const { frontend, handler } = await setUp();
    let open: () => void = () => undefined;
    handler.startGate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const started = frontend.start("test").catch((error: unknown) => error);
    await settle();
    const closed = frontend.close();
    open();
    await closed;
    expect(await started).toMatchObject({ code: "FRONTEND_CLOSED" });
    expect(frontend.state).toBe("closed");
  });
});
