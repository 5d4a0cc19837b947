import { describe, expect, it } from "vitest";
import { FRONTEND_CONFIG, type GivenFrontend, givenFrontend } from "../../test/fixture/frontend.ts";
import { ENDPOINT, LISTEN, MAPPING } from "../../test/fixture/target.ts";
import { settle } from "../clock/fake-clock.ts";
import { gate } from "../clock/gate.ts";
import type { FrontendConfig } from "../config/types.ts";
import { parseAddrPort } from "../value/addr-port.ts";
import { parseCidr } from "../value/cidr.ts";

const HOLDING: FrontendConfig = { ...FRONTEND_CONFIG, whenCold: "hold" };
const DENYING: FrontendConfig = { ...HOLDING, gates: { allow: [], deny: [parseCidr("192.0.2.66")], ignore: [] } };

describe("Frontend: another configuration", () => {
  it.each<[string, Partial<FrontendConfig>, boolean]>([
    ["nothing", {}, true],
    ["gates", { gates: DENYING.gates }, true],
    ["flow_timeout", { flowTimeoutMs: 1000 }, true],
    ["masquerade", { masquerade: "never" }, true],
    ["hold", { hold: { timeoutMs: 1, maxFlows: 1 } }, true],
    ["the endpoint's name", { endpoint: "other" }, true],
    ["where it leads", { routes: [{ listen: LISTEN, endpoint: parseAddrPort("127.0.0.1:9") }] }, true],
    ["listen", { routes: [{ listen: parseAddrPort("192.0.2.2:80"), endpoint: ENDPOINT }] }, false],
    ["one more listen", { routes: [...MAPPING.routes, { listen: parseAddrPort("[::1]:80"), endpoint: ENDPOINT }] }, false],
    ["kind", { kind: { namespace: "test", name: "other" } }, false],
    ["protocol", { protocol: "udp" }, false],
    ["target", { target: "other" }, false],
    ["options", { options: { page: 1 } }, false],
  ])("that differs in %s", async (_what, change, accepted) => {
    const { frontend } = await givenFrontend();
    expect(frontend.accepts({ ...FRONTEND_CONFIG, ...change })).toBe(accepted);
  });

  it("hands its handler options that it takes over, without a new mapping", async () => {
    const { dataplane, frontend, handler } = await givenFrontend();
    handler.takesOver = (options) => (options as { page?: number }).page === 1;
    await frontend.start("test");
    const next = { ...FRONTEND_CONFIG, options: { page: 1 } };
    expect([frontend.accepts(next), frontend.accepts({ ...next, options: {} })]).toEqual([true, true]);
    expect(frontend.accepts({ ...next, options: { page: 2 } })).toBe(false);
    dataplane.nextFailure = new Error("nobody is to ask the kernel");
    await frontend.update(next);
    await frontend.update(next);
    expect(handler.calls).toEqual(["start", 'options {"page":1}']);
    expect(frontend.config).toBe(next);
  });

  it("gives a running one its new mapping in one turn, with what is held and without a new start", async () => {
    const { dataplane, frontend, target, handler } = await givenFrontend(HOLDING);
    await frontend.start("test");
    // as one that waits for its next try would
    handler.held = () => undefined;
    const held = dataplane.connect("tcp", LISTEN);
    expect(target.group.held).toBe(1);
    const updated = frontend.update(DENYING);
    // asked for together: a client that comes now meets the one or the other
    const meanwhile = dataplane.connect("tcp", LISTEN);
    await updated;
    expect([frontend.state, target.group.held]).toEqual(["running", 2]);
    expect(await dataplane.connect("tcp", LISTEN, "192.0.2.66")).toBeUndefined();
    await target.warm({ reason: "test" });
    expect([await held, await meanwhile]).toEqual(["127.0.0.1:8080", "127.0.0.1:8080"]);
    expect(handler.calls).toEqual(["start"]);
    expect(await frontend.traffic()).toMatchObject({ denied: 1 });
  });

  it("counts what its gates turn away from the new mapping's beginning", async () => {
    const { dataplane, frontend, log } = await givenFrontend(DENYING);
    await frontend.start("test");
    const turnedAway = async (times: number): Promise<unknown> => {
      for (let packet = 0; packet < times; packet++) await dataplane.connect("tcp", LISTEN, "192.0.2.66");
      log.entries.length = 0;
      await frontend.reportGates();
      return log.entries.find(({ level }) => level === "debug")?.fields["packets"];
    };
    expect(await turnedAway(3)).toBe(3);
    await frontend.update({ ...DENYING, flowTimeoutMs: 1000 });
    expect(await turnedAway(2)).toBe(2);
  });

  it("leaves one that is stopped without a mapping in force, and starts it with the new one", async () => {
    const { dataplane, frontend, target } = await givenFrontend(HOLDING);
    await frontend.update(DENYING);
    expect(frontend.state).toBe("stopped");
    expect(dataplane.send("tcp", LISTEN)).toBeUndefined();
    await frontend.start("test");
    await target.warm({ reason: "test" });
    expect(await dataplane.connect("tcp", LISTEN, "192.0.2.66")).toBeUndefined();
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
  });

  it("is stopped, with its error, when the mapping could not be changed", async () => {
    const { dataplane, frontend, handler, target } = await givenFrontend(HOLDING);
    await frontend.start("test");
    const updated = frontend.update(DENYING);
    dataplane.nextFailure = new Error("nft failed");
    await expect(updated).rejects.toThrow("nft failed");
    expect([frontend.state, frontend.lastError?.message]).toEqual(["stopped", "nft failed"]);
    expect(handler.calls).toEqual(["start", "stop"]);
    expect(target.wants.first()).toBeUndefined();
  });

  it("does nothing for the same configuration", async () => {
    const { dataplane, frontend } = await givenFrontend();
    await frontend.start("test");
    dataplane.nextFailure = new Error("nobody is to ask the kernel");
    await frontend.update({ ...FRONTEND_CONFIG });
    expect(frontend.state).toBe("running");
  });
});

describe("Frontend: making way for the next one", () => {
  async function quiesced(): Promise<GivenFrontend> {
    const given = await givenFrontend(HOLDING);
    await given.frontend.start("test");
    given.handler.held = () => undefined;
    await given.frontend.quiesce();
    return given;
  }

  it("stops its handler and gives back what that wanted, while it goes on holding", async () => {
    const { dataplane, frontend, handler, target } = await quiesced();
    expect([handler.calls, target.wants.first()]).toEqual([["start", "stop"], undefined]);
    dataplane.connect("tcp", LISTEN).catch(() => undefined);
    expect([frontend.state, target.group.held]).toEqual(["running", 1]);
    expect(await frontend.traffic()).toBeUndefined();
    await expect(frontend.update(DENYING)).rejects.toMatchObject({ code: "FRONTEND_CLOSED" });
  });

  it("frees its listen addresses in the turn in which it is closed, and hands over what it holds", async () => {
    const { dataplane, frontend, handler, target } = await quiesced();
    const held = dataplane.connect("tcp", LISTEN);
    const closed = frontend.close();
    const next = target.group.createMapping({ ...MAPPING, whenCold: "hold" });
    await Promise.all([closed, next.enable()]);
    expect([frontend.state, next.held]).toEqual(["closed", 1]);
    expect(handler.calls.at(-1)).toBe("close");
    await target.warm({ reason: "test" });
    expect(await held).toBe("127.0.0.1:8080");
  });

  it("frees them in that turn when it is stopped, too", async () => {
    const { frontend, target } = await givenFrontend(HOLDING);
    const closed = frontend.close();
    target.group.createMapping(MAPPING);
    await closed;
  });

  it("logs a handler that does not stop, and goes on", async () => {
    const { frontend, handler, log } = await givenFrontend(HOLDING);
    await frontend.start("test");
    handler.stopFailure = new Error("stuck");
    await frontend.quiesce();
    expect(log.messages("error")).toEqual(["could not stop the frontend's handler"]);
    handler.stopFailure = undefined;
    await frontend.close();
    expect(frontend.state).toBe("closed");
  });

  it("waits for a start that is under way", async () => {
    const { frontend, handler } = await givenFrontend(HOLDING);
    const { promise, open } = gate();
    handler.startGate = promise;
    const started = frontend.start("test");
    await settle();
    const quiet = frontend.quiesce();
    await settle();
    expect(handler.calls).toEqual(["start"]);
    open();
    await Promise.all([started, quiet]);
    expect(handler.calls).toEqual(["start", "stop"]);
  });
});

describe("Frontend: closed so that all is kept", () => {
  it.each(["running", "stopped"])("leaves its mapping as it is when it is %s", async (state) => {
    const { dataplane, frontend, handler, target } = await givenFrontend(HOLDING);
    await target.warm({ reason: "test" });
    if (state === "running") await frontend.start("test");
    await frontend.close("keep");
    expect(frontend.state).toBe("closed");
    expect(handler.calls.slice(-2)).toEqual(["stop", "close"]);
    expect(target.wants.first()).toBeUndefined();
    expect(dataplane.send("tcp", LISTEN)).toBe(state === "running" ? "127.0.0.1:8080" : undefined);
    expect(() => target.group.createMapping(MAPPING)).toThrow(expect.objectContaining({ code: "MAPPING_EXISTS" }) as Error);
  });
});
