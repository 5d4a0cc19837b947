import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Finding } from "../../pkg/plugin/finding.ts";
import { examineMetrics } from "./examine.ts";

const RUNTIME_DIR = "/run/proxygw";

function run(config: { listen?: string; socket?: string; group?: string } | undefined, isRunning = false): Promise<Finding[]> {
  const examination = { capabilities: new Set<never>(), isRunning, runtimeDir: RUNTIME_DIR };
  return examineMetrics(config && { ...config, timeout: "5s" }, examination);
}

describe("examineMetrics", () => {
  it("finds an address that another program has, and leaves a free one free", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const listen = `127.0.0.1:${port}`;
    expect(await run({ listen })).toEqual([
      {
        id: "metrics-address",
        severity: "error",
        what: expect.stringContaining(`cannot serve metrics on ${listen}: the address is in use`) as string,
        where: "plugins.metrics.listen",
      },
    ]);
    // the daemon's own
    expect(await run({ listen }, true)).toEqual([]);
    server.close();
    await once(server, "close");
    expect(await run({ listen })).toEqual([]);
    expect(await run({ listen })).toEqual([]);
  });

  it("finds an address that this machine does not have", async () => {
    expect(await run({ listen: "192.0.2.1:9469" })).toMatchObject([
      { id: "metrics-address", what: expect.stringContaining("no address 192.0.2.1") as string },
    ]);
  });

  it("finds what is in the way of a socket", async () => {
    const directory = await mkdtemp("/tmp/proxygw-examine-");
    onTestFinished(() => rm(directory, { recursive: true }));
    const file = join(directory, "file");
    await writeFile(file, "");
    expect(await run({ socket: join(directory, "sock") })).toEqual([]);
    expect(await run({ socket: file, group: "no-such-group" })).toMatchObject([
      { id: "metrics-group", where: "plugins.metrics.group", remedy: "groupadd --system no-such-group" },
      { id: "metrics-socket", where: `plugins.metrics, socket ${file}` },
    ]);
    expect(await run(undefined)).toEqual([]);
  });
});
