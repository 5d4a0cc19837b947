import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { settle } from "../../pkg/clock/fake-clock.ts";
import { codecOf } from "../../pkg/ctl/codecs.ts";
import { Method } from "../../pkg/ctl/method.ts";
import { CODECS, REQUEST_LIMIT, type CodecName } from "../../pkg/ctl/packet.ts";
import { Fault } from "../../pkg/fault/fault.ts";
import type { Status } from "../../pkg/plugin/plugin.ts";
import { LINGER_MS, MAX_IN_FLIGHT, MAX_UNSENT } from "./connection.ts";
import { FakeEngine } from "../../pkg/plugin/fake-engine.ts";
import { CtlServer, MAX_CONNECTIONS } from "./server.ts";
import { TestClient } from "./test-client.ts";

const STATUS: Status = {
  closed: false,
  targets: [
    {
      name: "backend",
      kind: "static:none",
      state: "inactive",
      since: "2026-01-01T00:00:00.000Z",
      idle_timeout_ms: 300_000,
      endpoints: [{ name: "http", protocol: "tcp", address: "127.0.0.1:80" }],
    },
  ],
};

interface Setup extends AsyncDisposable {
  readonly engine: FakeEngine;
  readonly server: CtlServer;
  connect(): Promise<TestClient>;
  /** Shows that somebody else is still served. */
  expectServed(): Promise<void>;
}

async function setUp(codec: CodecName = "json"): Promise<Setup> {
  const directory = await mkdtemp(join(tmpdir(), "ctl-"));
  const path = join(directory, "sock");
  const engine = new FakeEngine();
  engine.current = STATUS;
  const server = new CtlServer({ path, gid: undefined, codec: codecOf(codec), engine });
  await server.start();
  const connect = (): Promise<TestClient> => TestClient.connect(path, codecOf(codec));
  return {
    engine,
    server,
    connect,
    async expectServed() {
      await using other = (await connect()).read();
      expect(await other.ask(77, Method.statusRequest)).toMatchObject({ id: 77, method: Method.statusResponse });
    },
    async [Symbol.asyncDispose]() {
      const closed = server.close();
      for (let turn = 0; turn < 20; turn++) await engine.clock.advance(LINGER_MS);
      await closed;
      await rm(directory, { recursive: true });
    },
  };
}

/** Real sockets take real turns of the event loop: waits, for a bounded time, until `condition` holds. */
async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 4000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`still not so: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe.each(CODECS)("control socket, %s: requests", (codec) => {
  it("answers with the status", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    expect(await client.ask(4_000_000_000, 2)).toEqual({ id: 4_000_000_000, method: 3, body: STATUS });
  });

  it.each([
    [8, "warm backend: asked for over the control socket"],
    [10, "drain backend: asked for over the control socket"],
    [16, "start backend"],
    [18, "stop backend"],
  ])("method %i does: %s", async (method, call) => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    expect(await client.ask(5, method, { name: "backend", more: [1] })).toEqual({ id: 5, method: method + 1, body: {} });
    expect(setup.engine.calls).toEqual([call]);
    expect(await client.ask(6, method, { name: "unknown" })).toEqual({
      id: 6,
      method: 1,
      body: { msg: 'there is no "unknown"' },
    });
  });

  it("method 22 reloads, and answers with what that did", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    expect(await client.ask(5, 22, { name: "whatever" })).toEqual({
      id: 5,
      method: 23,
      body: { targets: { added: ["backend"] } },
    });
    expect(setup.engine.calls).toEqual(["reload"]);
  });

  it.each([
    ["a wrong file, which programs tell by its code", "CONFIG_INVALID", { code: "CONFIG_INVALID" }],
    ["anything else", "RELOAD_NEEDS_RESTART", {}],
  ])("tells why a reload was refused: %s", async (_what, code, more) => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    setup.engine.reload = () => Promise.reject(new Fault(code, "proxygw.yaml:3:5: no\n  1 problem"));
    expect(await client.ask(5, 22)).toEqual({ id: 5, method: 1, body: { msg: "proxygw.yaml:3:5: no\n  1 problem", ...more } });
    expect(await client.ask(6, 2)).toMatchObject({ id: 6, method: 3 });
  });

  it("drains by force only where the body says so", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    await client.ask(1, Method.drainTargetRequest, { name: "backend", force: true });
    await client.ask(2, Method.drainTargetRequest, { name: "backend", force: 1 });
    expect(setup.engine.calls).toEqual([
      "drain backend by force: asked for over the control socket",
      "drain backend: asked for over the control socket",
    ]);
  });

  it("answers an empty packet with an empty one", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    expect(await client.ask(1, 0)).toEqual({ id: 1, method: 0, body: {} });
  });

  it.each([
    [1, "error (1)"],
    [3, "status response (3)"],
    [4, "plugin init request (4)"],
    [6, "new target request (6)"],
    [12, "close target request (12)"],
    [14, "new frontend request (14)"],
    [20, "close frontend request (20)"],
    [24, "unknown method 24"],
    [32768, "frontend should warm notification (32768)"],
    [65535, "unknown method 65535"],
  ])("refuses method %i and goes on", async (method, what) => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    expect(await client.ask(9, method)).toEqual({ id: 9, method: 1, body: { msg: `${what} is not supported here` } });
    expect(await client.ask(10, 2)).toMatchObject({ id: 10, method: 3 });
  });

  it.each([undefined, null, {}, { name: "" }, { name: 5 }, "backend", ["backend"]])(
    "refuses the body %j and goes on",
    async (body) => {
      await using setup = await setUp(codec);
      await using client = (await setup.connect()).read();
      const answer = await client.ask(9, 8, body ?? null);
      expect(answer).toEqual({ id: 9, method: 1, body: { msg: 'the body must be a map with a "name" that is a text' } });
      expect(await client.ask(10, 2)).toMatchObject({ id: 10, method: 3 });
    },
  );

  it("refuses a packet without a valid id or method and goes on", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    const encode = (value: unknown): Uint8Array => codecOf(codec).encode(value as never);
    client.socket.write(encode({ method: 2 }));
    expect(await client.next()).toEqual({ id: 0, method: 1, body: { msg: 'the packet has no "id"' } });
    client.socket.write(encode({ id: -1, method: 2 }));
    expect(await client.next()).toMatchObject({ id: 0, method: 1 });
    client.socket.write(encode({ id: 7, method: "status" }));
    expect(await client.next()).toMatchObject({ id: 7, method: 1 });
    expect(await client.ask(10, 2)).toMatchObject({ id: 10, method: 3 });
  });

  it("turns an exception of the engine into an error response", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    setup.engine.status = () => {
      throw new TypeError("broken");
    };
    expect(await client.ask(1, 2)).toEqual({ id: 1, method: 1, body: { msg: "broken" } });
  });

  it("works on requests at the same time, and answers each when it is done", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    client.send({ id: 1, method: 8, body: { name: "slow" } }, { id: 2, method: 2 });
    expect(await client.next()).toMatchObject({ id: 2, method: 3 });
    setup.engine.letGo();
    expect(await client.next()).toEqual({ id: 1, method: 9, body: {} });
  });

  it("answers a client that has ended its side already", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    client.send({ id: 1, method: 8, body: { name: "slow" } }, { id: 2, method: 2 });
    client.socket.end();
    expect(await client.next()).toMatchObject({ id: 2 });
    setup.engine.letGo();
    expect(await client.next()).toMatchObject({ id: 1 });
    expect(await client.next()).toBeUndefined();
  });
});

describe.each(CODECS)("control socket, %s: bad clients", (codec) => {
  it.each([
    ["junk", Buffer.from("\x00junk")],
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["the other codec", Buffer.from(codecOf(codec === "json" ? "cbor" : "json").encode({ id: 1, method: 2 }))],
  ])("answers %s with an error and ends the stream", async (_what, bytes) => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    client.send({ id: 1, method: 2 });
    client.socket.write(bytes);
    expect(await client.next()).toMatchObject({ id: 1, method: 3 });
    expect(await client.next()).toMatchObject({ id: 0, method: 1 });
    expect(await client.next()).toBeUndefined();
    await setup.expectServed();
  });

  it("answers a packet above the limit with an error, although the client goes on sending", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    client.send({ id: 1, method: 8, body: { name: "x".repeat(3 * REQUEST_LIMIT) } });
    expect(await client.next()).toEqual({
      id: 0,
      method: 1,
      body: { msg: "the packet is larger than 1048576 bytes" },
    });
    expect(await client.next()).toBeUndefined();
    await setup.expectServed();
  });

  it("says so when the stream ends within a packet", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    client.socket.end(codecOf(codec).encode({ id: 1, method: 2 }).subarray(0, 5));
    expect(await client.next()).toMatchObject({ id: 0, method: 1, body: { msg: "the stream ends in the middle of a packet" } });
    expect(await client.next()).toBeUndefined();
  });

  it("cuts the connection of a client that stays after junk", async () => {
    await using setup = await setUp(codec);
    await using client = (await setup.connect()).read();
    client.socket.write("junk");
    expect(await client.next()).toMatchObject({ id: 0, method: 1 });
    // besides the look at the socket file
    await until(() => setup.engine.clock.sleeping === 2);
    await setup.engine.clock.advance(LINGER_MS);
    client.socket.write("more");
    await until(() => client.socket.closed || client.socket.errored !== null);
  });
});

describe("control socket: clients that do not behave", () => {
  it("works on a bounded number of requests of one client", async () => {
    await using setup = await setUp();
    await using client = (await setup.connect()).read();
    const requests = Array.from({ length: MAX_IN_FLIGHT + 10 }, (_, id) => ({ id, method: 8, body: { name: "slow" } }));
    client.send(...requests);
    await until(() => setup.engine.waiting === MAX_IN_FLIGHT);
    await setup.expectServed();
    expect(setup.engine.waiting).toBe(MAX_IN_FLIGHT);
    setup.engine.letGo();
    await until(() => setup.engine.waiting === 10);
    setup.engine.letGo();
    const answered = new Set<unknown>();
    while (answered.size < requests.length) answered.add((await client.next())?.["id"]);
  });

  it("stops working for a client that does not read, and goes on when it does", async () => {
    await using setup = await setUp();
    await using client = await setup.connect();
    setup.engine.current = { closed: false, targets: [{ ...STATUS.targets?.[0], kind: "x".repeat(500_000) } as never] };
    client.send(...Array.from({ length: 100 }, (_, id) => ({ id, method: 2 })));
    await until(() => setup.engine.calls.length > 0);
    for (let turn = 0; turn < 100; turn++) await settle();
    expect(setup.engine.calls.length).toBeLessThan(5);
    await setup.expectServed();
    client.read();
    for (let id = 0; id < 100; id++) expect(await client.next()).toMatchObject({ id });
  });

  it("drops a client that lets too many responses lie", async () => {
    await using setup = await setUp();
    await using client = await setup.connect();
    // each refusal repeats the name
    const name = `unknown${"x".repeat(REQUEST_LIMIT - 1000)}`;
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let asked = 0;
    setup.engine.warmTarget = async () => {
      asked++;
      await released;
      throw new Error(name);
    };
    const count = Math.ceil(MAX_UNSENT / name.length) + 4;
    for (let id = 0; id < count; id++) client.send({ id, method: 8, body: { name } });
    await until(() => asked === count);
    release();
    await until(() => setup.engine.log.messages("debug").length > 0);
    await setup.expectServed();
    expect(setup.engine.log.messages("debug")).toEqual(["control connection dropped"]);
  });

  it("goes on with the work of a client that vanishes, and of others", async () => {
    await using setup = await setUp();
    await using other = (await setup.connect()).read();
    other.send({ id: 1, method: 10, body: { name: "slow" } });
    const client = await setup.connect();
    client.send({ id: 1, method: 8, body: { name: "slow" } });
    await until(() => setup.engine.waiting === 2);
    await client[Symbol.asyncDispose]();
    await setup.expectServed();
    expect(setup.engine.waiting).toBe(2);
    setup.engine.letGo();
    expect(await other.next()).toEqual({ id: 1, method: 11, body: {} });
  });

  it("refuses connections beyond its limit, and takes them again when others have gone", async () => {
    await using setup = await setUp();
    const clients = await Promise.all(Array.from({ length: MAX_CONNECTIONS }, () => setup.connect()));
    const refused = (await setup.connect()).read();
    expect(await refused.next()).toMatchObject({
      id: 0,
      method: 1,
      body: { msg: "the daemon has 256 control connections already" },
    });
    expect(await refused.next()).toBeUndefined();
    await refused[Symbol.asyncDispose]();
    const one = clients[0]?.read();
    expect(await one?.ask(1, 2)).toMatchObject({ id: 1, method: 3 });
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
    // the daemon hears of each in a later turn
    for (let turn = 0; turn < 20; turn++) await settle();
    await setup.expectServed();
  });
});

describe("control socket: close", () => {
  it("lets answers reach their clients, ends idle connections, and cuts those that stay", async () => {
    await using setup = await setUp();
    await using idle = (await setup.connect()).read();
    await using asking = (await setup.connect()).read();
    expect(await asking.ask(1, 2)).toMatchObject({ id: 1 });
    await setup.expectServed();
    const closed = setup.server.close();
    expect(await idle.next()).toBeUndefined();
    expect(await asking.next()).toBeUndefined();
    // both clients keep their side open
    await until(() => setup.engine.clock.sleeping === 2);
    await setup.engine.clock.advance(LINGER_MS);
    await closed;
    await setup.server.close();
  });

  it("does not answer work that ends afterwards, nor fail on it", async () => {
    await using setup = await setUp();
    await using client = (await setup.connect()).read();
    client.send({ id: 1, method: 8, body: { name: "slow" } });
    await until(() => setup.engine.waiting === 1);
    const closed = setup.server.close();
    expect(await client.next()).toBeUndefined();
    client.socket.end();
    await closed;
    setup.engine.letGo();
    await settle();
  });
});
