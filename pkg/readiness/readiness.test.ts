import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { systemClock } from "../clock/clock.ts";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import type { EndpointConfig, ReadyProbe } from "../config/types.ts";
import { systemTools } from "../process/runner.ts";
import { untilReady } from "./readiness.ts";

const tools = systemTools();
const NEVER = new AbortController().signal;

function tcp(port: number): EndpointConfig {
  return { name: "main", protocol: "tcp", addresses: [{ family: "ipv4", address: "127.0.0.1", port }] };
}

function options(probe: ReadyProbe, endpoints: EndpointConfig[], timeoutMs = 5000) {
  return { config: { probe, timeoutMs }, endpoints, clock: systemClock, tools };
}

/** A port of 127.0.0.1 that nothing listens on, and a listener for it. */
async function port() {
  const server = createServer((socket) => socket.on("error", () => undefined));
  const listen = (at: number): Promise<void> => new Promise((resolve) => server.listen(at, "127.0.0.1", resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => {
        resolve();
      });
    });
  await listen(0);
  const { port: number } = server.address() as AddressInfo;
  await close();
  return { number, listen: () => listen(number), close };
}

describe("untilReady", () => {
  it("waits for a TCP endpoint, and adds a few milliseconds at most", async () => {
    const at = await port();
    let ready = false;
    const waiting = untilReady(options({ kind: "tcp" }, [tcp(at.number)]), NEVER).then(() => (ready = true));
    await systemClock.sleep(100);
    expect(ready).toBe(false);
    await at.listen();
    const begun = systemClock.now();
    await waiting;
    expect(systemClock.now() - begun).toBeLessThan(50);
    await at.close();
  });

  it("needs all endpoints", async () => {
    const [one, two] = [await port(), await port()];
    await one.listen();
    await expect(untilReady(options({ kind: "tcp" }, [tcp(one.number), tcp(two.number)], 100), NEVER)).rejects.toMatchObject({
      code: "NOT_READY",
      message: expect.stringContaining("ECONNREFUSED") as string,
    });
    await one.close();
  });

  it("has nothing to wait for without a probe, or without TCP endpoints", async () => {
    const udp: EndpointConfig = { ...tcp(9), protocol: "udp" };
    await untilReady(options({ kind: "none" }, [tcp(9)]), NEVER);
    await untilReady(options({ kind: "tcp" }, [udp]), NEVER);
  });

  it("waits for an HTTP status of success", async () => {
    const statuses = [503, 404, 204];
    const paths: (string | undefined)[] = [];
    const server = createHttpServer((request, response) => {
      paths.push(request.url);
      response.writeHead(statuses.shift() ?? 200).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port: number } = server.address() as AddressInfo;
    await untilReady(options({ kind: "http", path: "/health" }, [tcp(number)]), NEVER);
    expect(paths).toEqual(["/health", "/health", "/health"]);
    server.close();
  });

  it("waits for a command to succeed, and says what it said", async () => {
    await untilReady(options({ kind: "command", command: "true" }, []), NEVER);
    await expect(
      untilReady(options({ kind: "command", command: "echo no database >&2; exit 3" }, [], 50), NEVER),
    ).rejects.toThrow("not ready within 50 ms (command probe): the command ended with exit code 3: no database");
  });

  it("tries fast at first, then slower, until its timeout", async () => {
    const clock = new FakeClock();
    let tries = 0;
    const failing = {
      run: () => {
        tries++;
        return Promise.resolve({ exitCode: 1, stdout: "", stderr: "" });
      },
    };
    const config = { probe: { kind: "command", command: "x" }, timeoutMs: 30_000 } as const;
    const outcome = untilReady({ config, endpoints: [], clock, tools: failing }, NEVER).catch((error: unknown) => error);
    await clock.advance(10);
    expect(tries).toBeGreaterThan(8);
    await clock.advance(30_000);
    expect(await outcome).toMatchObject({ code: "NOT_READY" });
    expect(tries).toBeLessThan(250);
  });

  it("ends with the signal's reason", async () => {
    const abort = new AbortController();
    const outcome = untilReady(options({ kind: "tcp" }, [tcp(9)]), abort.signal).catch((error: unknown) => error);
    await settle();
    const reason = new Error("died");
    abort.abort(reason);
    expect(await outcome).toBe(reason);
  });
});
