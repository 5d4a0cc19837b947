import { describe, expect, it } from "vitest";
import { settle } from "../../pkg/clock/fake-clock.ts";
import { ALL_EVENTS } from "../../pkg/ctl/event-type.ts";
import { CODECS } from "../../pkg/ctl/packet.ts";
import type { EngineEvent } from "../../pkg/plugin/plugin.ts";
import { LOST_LINGER_MS, MAX_EVENTS_UNSENT } from "./connection.ts";
import { setUp, until } from "./test-server.ts";

const at = "2026-01-01T00:00:00.000Z";
const STATE: EngineEvent = { at, type: "target_state", target: "backend", from: "inactive", to: "warming", reason: "test" };
const RELOAD: EngineEvent = { at, type: "reload" };
const TRANSACTION: EngineEvent = { at, type: "transaction", took_ms: 3.5 };

const notice = (body: EngineEvent): object => ({ id: 0, method: 32769, body });

describe.each(CODECS)("control socket, %s: status and flows", (codec) => {
  it.each([
    [{ names: ["a", "b"], traffic: true }, 'status {"names":["a","b"],"traffic":true}'],
    [{ traffic: false, more: 1 }, 'status {"traffic":false}'],
    [{ names: [] }, 'status {"names":[]}'],
    [{ more: 1 }, "status"],
    ["whatever", "status"],
  ])("status %j is asked for as: %s", async (body, call) => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    expect(await client.ask(1, 2, body)).toMatchObject({ id: 1, method: 3 });
    expect(setup.engine.calls).toEqual([call]);
  });

  it("answers with the flows of one target, or of all", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    expect(await client.ask(1, 24)).toEqual({ id: 1, method: 25, body: { flows: [] } });
    const addresses = { source: "192.0.2.2:4000", listen: "192.0.2.1:80", endpoint_address: "127.0.0.1:8080" };
    const flow = { target: "backend", endpoint: "http", protocol: "tcp", ...addresses, state: "ESTABLISHED", expires_in_s: 299 };
    setup.engine.currentFlows = [flow];
    expect(await client.ask(2, 24, { target: "backend" })).toEqual({ id: 2, method: 25, body: { flows: [flow] } });
    expect(setup.engine.calls).toEqual(["flows of all", "flows backend"]);
  });

  it.each([
    [2, { names: "backend" }, '"names" must be a list of names'],
    [2, { names: [""] }, '"names" must be a list of names'],
    [2, { names: ["a", 5] }, '"names" must be a list of names'],
    [2, { traffic: 1 }, '"traffic" must be true or false'],
    [24, { target: "" }, '"target" must be the name of a target'],
    [24, { target: ["a"] }, '"target" must be the name of a target'],
    [26, { events: [] }, '"events" must be a list of target_state, frontend_state, hold'],
    [26, { events: "hold" }, '"events" must be a list of'],
    [26, { events: ["hold", "holds"] }, '"events" has "holds"; there are target_state,'],
    [26, { events: ["toString"] }, '"events" has "toString"; there are target_state,'],
    [26, { events: ["x".repeat(100_000)] }, `"events" has "${"x".repeat(60)}"; there are`],
    [26, { events: [{}] }, '"events" has something that is no text; there are'],
  ])("method %i refuses %j, and goes on", async (method, body, message) => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    const answer = await client.ask(9, method, body);
    expect(answer).toMatchObject({ id: 9, method: 1, body: { msg: expect.stringContaining(message) as string } });
    expect(setup.engine.calls).toEqual([]);
    expect(setup.engine.listeners.size).toBe(0);
    expect(await client.ask(10, 2)).toMatchObject({ id: 10, method: 3 });
  });
});

describe.each(CODECS)("control socket, %s: events", (codec) => {
  it("come after the response, all but transactions", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    expect(await client.ask(1, 26)).toEqual({ id: 1, method: 27, body: {} });
    setup.engine.emit(TRANSACTION);
    setup.engine.emit(STATE);
    setup.engine.emit(RELOAD);
    expect(await client.next()).toEqual(notice(STATE));
    expect(await client.next()).toEqual(notice(RELOAD));
    expect(await client.ask(2, 2)).toMatchObject({ id: 2, method: 3 });
  });

  it("are those that were named, if any were; the last subscription counts", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    await client.ask(1, 26, { events: ALL_EVENTS });
    setup.engine.emit(TRANSACTION);
    expect(await client.next()).toEqual(notice(TRANSACTION));
    await client.ask(2, 26, { events: ["reload", "reload"] });
    setup.engine.emit(STATE);
    setup.engine.emit(TRANSACTION);
    setup.engine.emit(RELOAD);
    expect(await client.next()).toEqual(notice(RELOAD));
    expect(await client.ask(3, 2)).toMatchObject({ id: 3, method: 3 });
    expect(setup.engine.listeners.size).toBe(1);
  });

  it("go to each connection what it asked for, and to others nothing", async () => {
    await using setup = await setUp(codec);
    await using all = (await setup.connect()).read();
    await using some = (await setup.connect()).read();
    await using none = (await setup.connect()).read();
    await all.ask(1, 26);
    await some.ask(1, 26, { events: ["reload"] });
    setup.engine.emit(STATE);
    setup.engine.emit(RELOAD);
    expect([await all.next(), await all.next()]).toEqual([notice(STATE), notice(RELOAD)]);
    expect(await some.next()).toEqual(notice(RELOAD));
    expect(await none.ask(5, 0)).toEqual({ id: 5, method: 0, body: {} });
  });

  it("end when the client closes the connection, or ends its side", async () => {
    await using setup = await setUp(codec);
    const closing = (await setup.connect()).read();
    await using ending = (await setup.connect()).read();
    await closing.ask(1, 26);
    await ending.ask(1, 26);
    expect(setup.engine.listeners.size).toBe(1);
    await closing[Symbol.asyncDispose]();
    ending.socket.end();
    expect(await ending.next()).toBeUndefined();
    await until(() => setup.engine.listeners.size === 0);
    setup.engine.emit(STATE);
    await setup.expectServed();
  });

  it("end with the server", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    await client.ask(1, 26);
    const closed = setup.server.close();
    expect(await client.next()).toBeUndefined();
    expect(setup.engine.listeners.size).toBe(0);
    client.socket.end();
    await closed;
  });
});

describe("control socket: a subscriber that does not read", () => {
  const long: EngineEvent = { ...STATE, reason: "x".repeat(10_000) };

  it("is told that it lost events, after those that it has not, and is closed; nobody else is", async () => {
    await using setup = await setUp();
    await using slow = await setup.connect();
    await using other = (await setup.connect()).read();
    slow.send({ id: 1, method: 26 });
    await other.ask(1, 26);
    await until(() => setup.engine.calls.length === 0 && setup.engine.listeners.size === 1);
    await settle();
    const sent = 1000;
    for (let count = 0; count < sent; count++) {
      setup.engine.emit(long);
      expect(await other.next()).toEqual(notice(long));
    }
    expect(setup.engine.log.messages("debug")).toEqual(["control connection dropped"]);
    await setup.expectServed();

    slow.read();
    expect(await slow.next()).toMatchObject({ id: 1, method: 27 });
    let got = 0;
    let last = await slow.next();
    for (; last?.["method"] === 32769; last = await slow.next()) got++;
    expect(last).toEqual({ id: 0, method: 32770, body: {} });
    expect(await slow.next()).toBeUndefined();
    // what waits here, and what the kernel's buffers hold
    expect(got * 10_000).toBeGreaterThan(MAX_EVENTS_UNSENT - 20_000);
    expect(got).toBeLessThan(sent / 2);
    setup.engine.emit(STATE);
    expect(await other.next()).toEqual(notice(STATE));
  });

  it("is cut if it never reads, and keeps no memory until then but the limit", async () => {
    await using setup = await setUp();
    const slow = await Promise.all(Array.from({ length: 20 }, () => setup.connect()));
    for (const client of slow) client.send({ id: 1, method: 26 });
    await setup.expectServed();
    await until(() => setup.engine.listeners.size === 1);
    for (let turn = 0; turn < 20; turn++) await settle();
    globalThis.gc?.();
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 20_000; count++) {
      setup.engine.emit(long);
      if (count % 100 === 0) await settle();
    }
    expect(setup.engine.listeners.size).toBe(0);
    // all keep the same packets
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * MAX_EVENTS_UNSENT);
    expect(setup.engine.log.messages("debug").length).toBe(20);
    // besides the look at the socket file
    await until(() => setup.engine.clock.sleeping === 21);
    await setup.engine.clock.advance(LOST_LINGER_MS);
    await until(() => setup.engine.clock.sleeping === 1);
    for (const client of slow) await client[Symbol.asyncDispose]();
  });

  it("may let responses lie as before: these are not counted with its events", async () => {
    await using setup = await setUp();
    await using client = await setup.connect();
    setup.engine.current = { closed: false, targets: [{ name: "x".repeat(4_000_000) } as never] };
    client.send({ id: 1, method: 26 }, { id: 2, method: 2 });
    await until(() => setup.engine.calls.length === 1);
    await settle();
    for (let count = 0; count < 50; count++) setup.engine.emit(STATE);
    client.read();
    expect(await client.next()).toMatchObject({ id: 1 });
    expect(await client.next()).toMatchObject({ id: 2, method: 3 });
    for (let count = 0; count < 50; count++) expect(await client.next()).toEqual(notice(STATE));
  });
});
