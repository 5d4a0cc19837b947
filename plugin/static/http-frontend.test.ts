import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { IncomingHttpHeaders, RequestOptions } from "node:http";
import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../pkg/clock/clock.ts";
import { FakeClock } from "../../pkg/clock/fake-clock.ts";
import { collectingLog } from "../../pkg/log/collecting-log.ts";
import { parseAddrPort } from "../../pkg/value/addr-port.ts";
import { FakeFrontendTarget } from "./fake-frontend-target.ts";
import { HttpFrontend } from "./http-frontend.ts";
import type { HttpOptions } from "./http-options.ts";

const NEVER = new AbortController().signal;

let target: FakeFrontendTarget;
let port: number;
const frontends: HttpFrontend[] = [];
const sockets: Socket[] = [];

beforeEach(async () => {
  target = new FakeFrontendTarget();
  port = await freePort();
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const frontend of frontends.splice(0)) await frontend.close();
});

async function freePort(): Promise<number> {
  const server = await occupy(0, "127.0.0.1");
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function occupy(port: number, host: string): Promise<Server> {
  const server = createServer().listen(port, host);
  await once(server, "listening");
  return server;
}

function make(options: Partial<HttpOptions> = {}, listen = [`127.0.0.1:${port}`], clock = systemClock): HttpFrontend {
  const frontend = new HttpFrontend({
    name: "public",
    protocol: "tcp",
    listen: listen.map(parseAddrPort),
    options: { content: "Starting…\n", endpoint: "/", status: 200, ...options },
    log: collectingLog(),
    clock,
    target,
  });
  frontends.push(frontend);
  return frontend;
}

async function start(options: Partial<HttpOptions> = {}, listen?: string[]): Promise<HttpFrontend> {
  const frontend = make(options, listen);
  await frontend.start(NEVER);
  return frontend;
}

interface Answer {
  status: number | undefined;
  headers: IncomingHttpHeaders;
  body: string;
}

function get(path: string, options: RequestOptions & { body?: string } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port, path, agent: false, ...options }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
      response.once("end", () => {
        resolve({ status: response.statusCode, headers: response.headers, body });
      });
      response.once("error", reject);
    });
    request.once("error", reject);
    request.end(options.body);
  });
}

/** What the server sends until it closes the connection. */
async function raw(text: string): Promise<string> {
  const socket = await open();
  let answer = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => (answer += chunk));
  socket.write(text);
  await once(socket, "close");
  return answer;
}

async function open(): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  sockets.push(socket);
  await once(socket, "connect");
  return socket;
}

describe("the page", () => {
  it("is served at its path, whatever the query, and each request asks for the target", async () => {
    await start({ endpoint: "/wait", content: "<p>größer", status: 503 });
    const answer = await get("/wait?a=b");
    expect(answer).toMatchObject({
      status: 503,
      body: "<p>größer",
      headers: {
        "content-type": "text/html; charset=utf-8",
        "content-length": "11",
        connection: "close",
        "cache-control": "no-store",
      },
    });
    expect(await get("/")).toMatchObject({ status: 404, body: "not found\n" });
    expect(await get("http://example.com/wait")).toMatchObject({ status: 503 });
    expect(target.reasons).toEqual(Array(3).fill("request from 127.0.0.1"));
  });

  it("has no body in answer to HEAD, nor with a status that has none", async () => {
    await start();
    expect(await get("/", { method: "HEAD" })).toMatchObject({ status: 200, body: "", headers: { "content-length": "12" } });
    await frontends[0]?.stop();
    await start({ status: 204 });
    const answer = await get("/");
    expect(answer).toMatchObject({ status: 204, body: "" });
    expect(answer.headers["content-length"]).toBeUndefined();
  });

  it("answers a request with a body, after reading it, and a very long one before", async () => {
    await start();
    expect(await get("/", { method: "POST", body: "x".repeat(500_000) })).toMatchObject({ status: 200, body: "Starting…\n" });
    const socket = await open();
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n${"x".repeat(2_000_000)}`);
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("survives what is not HTTP", async () => {
    await start();
    expect(await raw("nonsense\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw(`GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(100_000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
    expect(await raw("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n")).toBe("");
    expect(await raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")).toMatch(
      /^HTTP\/1\.1 200 /,
    );
    expect(await raw("GET / HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 /);
    const reset = await open();
    reset.write("GET / HTTP/1.1\r\nHo");
    reset.resetAndDestroy();
    expect(await get("/")).toMatchObject({ status: 200 });
    expect(target.reasons).toHaveLength(3);
  });

  it("gives up on a client that does not finish its request", { timeout: 15_000 }, async () => {
    await start();
    const begun = Date.now();
    const silent = await open();
    const gone = once(silent, "close");
    silent.resume();
    expect(await raw("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")).toMatch(/^HTTP\/1\.1 408 /);
    await gone;
    expect(Date.now() - begun).toBeLessThan(10_000);
  });
});

describe("when the target becomes active", () => {
  it("connections without a request are closed at once, others after their answer", async () => {
    await start();
    const idle = await open();
    const begun = await open();
    idle.resume();
    begun.write("GET / HTTP/1.1\r\nHost: x\r\n");
    const answer = once(begun, "data") as Promise<[Buffer]>;
    // the server has both once it has answered a later one
    await get("/");
    const idleClosed = once(idle, "close");
    const begunClosed = once(begun, "close");
    target.become("active");
    await idleClosed;
    begun.write("\r\n");
    expect((await answer)[0].toString()).toMatch(/^HTTP\/1\.1 200 .*connection: close/is);
    await begunClosed;
  });

  it("only then", async () => {
    await start();
    const idle = await open();
    await get("/");
    target.become("warming");
    target.become("inactive");
    idle.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const [answer] = (await once(idle, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("a connection that still gets here is served and closed", async () => {
    await start();
    target.become("active");
    expect(await get("/")).toMatchObject({ status: 200, headers: { connection: "close" } });
  });
});

describe("another page", () => {
  it("is served from the next request on, by the same listener, to those who are connected too", async () => {
    const frontend = await start({ content: "one" });
    const connected = await open();
    const options: HttpOptions = { content: "two", endpoint: "/new", status: 503 };
    const takeOver = frontend.reconfigure(options);
    expect(await get("/")).toMatchObject({ status: 200, body: "one" });
    takeOver();
    expect(await get("/new")).toMatchObject({ status: 503, body: "two" });
    expect(await get("/")).toMatchObject({ status: 404 });
    connected.write("GET /new HTTP/1.1\r\nHost: x\r\n\r\n");
    const [answer] = (await once(connected, "data")) as [Buffer];
    expect(answer.toString()).toContain("two");
  });

  it("is served after the next start when it came while it was stopped", async () => {
    const frontend = make({ content: "one" });
    frontend.reconfigure({ content: "two", endpoint: "/", status: 200 })();
    await frontend.start(NEVER);
    expect((await get("/")).body).toBe("two");
  });
});

describe("life", () => {
  it("starts and stops any number of times, leaving neither socket nor listener", async () => {
    const frontend = await start();
    await frontend.stop();
    await frontend.stop();
    await frontend.start(NEVER);
    expect(await get("/")).toMatchObject({ status: 200 });
    await frontend.close();
    await frontend.close();
    expect(target.listeners).toBe(0);
    await expect(get("/")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  it("does not wait long for clients that are slow when it stops", async () => {
    const clock = new FakeClock();
    const frontend = make({}, undefined, clock);
    await frontend.start(NEVER);
    const slow = await open();
    const closed = once(slow, "close");
    slow.write("GET / HTTP/1.1\r\nHost: x\r\n");
    await get("/");
    const stopped = frontend.stop();
    await clock.advance(1000);
    await stopped;
    await closed;
    expect(clock.sleeping).toBe(0);
  });

  it("listens on both families side by side, wildcards too", async () => {
    await start({}, [`0.0.0.0:${port}`, `[::]:${port}`]);
    expect(await get("/")).toMatchObject({ status: 200 });
    expect(await get("/", { host: "::1" })).toMatchObject({ status: 200 });
    expect(target.reasons).toEqual(["request from 127.0.0.1", "request from ::1"]);
    expect(target.sources).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/), expect.stringMatching(/^\[::1\]:\d+$/)]);
  });

  it("says which address is taken, and lets go of the others", async () => {
    const taken = await occupy(0, "127.0.0.1");
    const address = taken.address();
    const takenPort = typeof address === "object" && address !== null ? address.port : 0;
    await expect(start({}, [`127.0.0.1:${port}`, `127.0.0.1:${takenPort}`])).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      message: expect.stringMatching(new RegExp(`on 127\\.0\\.0\\.1:${takenPort}: the address is in use`)) as string,
    });
    const free = await occupy(port, "127.0.0.1");
    free.close();
    taken.close();
  });

  it("says that an address is not this machine's", async () => {
    await expect(start({}, [`192.0.2.1:${port}`])).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      message: expect.stringContaining("this machine has no address 192.0.2.1") as string,
    });
  });

  it("does not start when that was called off", async () => {
    const reason = new Error("called off");
    await expect(make().start(AbortSignal.abort(reason))).rejects.toBe(reason);
    await expect(get("/")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});
