/**
 * The nftables driver on the real kernel. Runs in a network namespace made for the test run (`make test` does that):
 *
 *   client sockets ── 127.0.0.10:80 … ──► table inet contract ──► echo servers on 127.0.0.2, 127.0.0.3, ::1, port 8080
 */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { newNftDataplane, ownNamespace } from "../../../test/fixture/nft.ts";
import { paced } from "../../../test/pace.ts";
import { systemClock } from "../../clock/clock.ts";
import { collectingLog } from "../../log/collecting-log.ts";
import { systemTools } from "../../process/runner.ts";
import { type AddrPort, formatAddrPort } from "../../value/addr-port.ts";
import type { Protocol } from "../../value/protocol.ts";
import { dataplaneContract } from "../contract.ts";
import type { DataplaneHarness } from "../contract-given.ts";
import type { Needs } from "../dataplane.ts";
import { NftDataplane } from "./driver.ts";
import { Sysctls } from "./sysctl.ts";

const SERVERS = ["127.0.0.2", "127.0.0.3", "::1"];
const PORT = 8080;
const TABLE = "contract";
const NO_NEEDS: Needs = { routeLocalnet: false, forwardIPv4: false, forwardIPv6: false, hold: false };
const tools = systemTools();

/** As a daemon that died left it. */
async function forwardByDeadDaemon(directory: string): Promise<void> {
  const sysctls = new Sysctls({ log: collectingLog(), manage: true, stateFile: join(directory, "sysctls.json") });
  await sysctls.set({ key: "net/ipv4/ip_forward", value: "1", why: "test" });
}

function newDataplane(
  runtimeDir: string,
  options: { table?: string; manageSysctls?: boolean; overlap?: "refuse" | "specific-wins" } = {},
) {
  return newNftDataplane(
    { runtimeDir, log: collectingLog() },
    {
      table: options.table ?? TABLE,
      manageSysctls: options.manageSysctls ?? true,
      wildcardOverlap: options.overlap ?? "refuse",
    },
  );
}

async function listenTcp(address: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", () => socket.write(`${socket.localAddress ?? ""}\n`));
  });
  await new Promise<void>((resolve) => server.listen({ host: address, port: PORT, ipv6Only: true }, resolve));
  return server;
}

async function listenUdp(address: string): Promise<UdpSocket> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.on("message", (_message, from) => {
    socket.send(`${address}\n`, from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(PORT, address, resolve));
  return socket;
}

function endpointText(answer: string): string {
  const address = answer.trim();
  return formatAddrPort({ family: address.includes(":") ? "ipv6" : "ipv4", address, port: PORT });
}

class KernelHarness implements DataplaneHarness {
  readonly dataplane: NftDataplane;
  readonly #directory: string;
  readonly #servers: (Server | UdpSocket)[] = [];
  readonly #accepted = new Set<Socket>();
  readonly #clients: { send: () => void; close: () => void }[] = [];

  constructor(directory: string, dataplane: NftDataplane) {
    this.#directory = directory;
    this.dataplane = dataplane;
  }

  async open(committed: boolean): Promise<void> {
    await tools.run("conntrack", ["-F"]);
    await this.dataplane.start({ ...NO_NEEDS, hold: true });
    if (committed) await this.dataplane.commit();
    for (const address of SERVERS) {
      const server = await listenTcp(address);
      server.on("connection", (socket: Socket) => this.#accepted.add(socket));
      this.#servers.push(server, await listenUdp(address));
    }
  }

  send(protocol: Protocol, to: AddrPort, from?: string): Promise<string | undefined> {
    return protocol === "tcp" ? this.#sendTcp(to, from) : this.#sendUdp(to, from);
  }

  #sendTcp(to: AddrPort, from?: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      const socket = createConnection({ port: to.port, host: to.address, ...(from === undefined ? {} : { localAddress: from }) });
      socket.on("connect", () => socket.write("?\n"));
      socket.on("data", (data) => {
        resolve(endpointText(data.toString()));
      });
      socket.on("error", () => {
        resolve(undefined);
      });
      this.#clients.push({ send: () => socket.write("?\n"), close: () => socket.destroy() });
    });
  }

  #sendUdp(to: AddrPort, from?: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      const socket = createSocket(to.family === "ipv4" ? "udp4" : "udp6");
      const timer = setTimeout(() => {
        resolve(undefined);
      }, 1000);
      socket.on("message", (data) => {
        clearTimeout(timer);
        resolve(endpointText(data.toString()));
      });
      const send = (): void => {
        socket.send("?\n", to.port, to.address);
      };
      // port unreachable comes as an error of the next call
      socket.on("error", () => {
        clearTimeout(timer);
        resolve(undefined);
      });
      socket.bind(0, from ?? (to.family === "ipv4" ? "127.0.0.1" : "::1"), send);
      this.#clients.push({
        send,
        close: () => {
          socket.close();
        },
      });
    });
  }

  async traffic(): Promise<void> {
    for (const { send } of this.#clients) send();
    await this.wait(20);
  }

  wait(ms: number): Promise<void> {
    return systemClock.sleep(ms);
  }

  async close(): Promise<void> {
    await this.dataplane.close();
    for (const { close } of this.#clients) close();
    for (const socket of this.#accepted) socket.destroy();
    for (const server of this.#servers)
      await new Promise<void>((resolve) =>
        server.close(() => {
          resolve();
        }),
      );
    await rm(this.#directory, { recursive: true });
  }
}

dataplaneContract("nft", async ({ wildcardOverlap, committed = true }) => {
  await ownNamespace();
  const directory = await mkdtemp(join(tmpdir(), "proxygw-contract-"));
  const harness = new KernelHarness(directory, newDataplane(directory, { overlap: wildcardOverlap }));
  await harness.open(committed);
  return harness;
});

describe("nft driver", () => {
  const cleanups: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  async function runtimeDirectory(): Promise<string> {
    await ownNamespace();
    const directory = await mkdtemp(join(tmpdir(), "proxygw-nft-"));
    cleanups.push(() => rm(directory, { recursive: true }));
    return directory;
  }

  async function ruleset(): Promise<string> {
    return (await tools.run("nft", ["list", "ruleset"])).stdout;
  }

  async function sysctl(key: string): Promise<string> {
    return (await readFile(`/proc/sys/${key}`, "utf8")).trim();
  }

  it("leaves the ruleset and the sysctls as they were", async () => {
    const directory = await runtimeDirectory();
    const keys = [
      "net/ipv4/conf/all/route_localnet",
      "net/ipv4/ip_forward",
      "net/ipv6/conf/all/forwarding",
      "net/ipv4/conf/all/accept_redirects",
      "net/ipv6/conf/lo/forwarding",
      "net/ipv6/conf/default/accept_ra",
    ];
    await writeFile("/proc/sys/net/ipv4/conf/all/accept_redirects", "0");
    const before = { rules: await ruleset(), sysctls: await Promise.all(keys.map(sysctl)) };
    const dataplane = newDataplane(directory);
    await dataplane.start({ routeLocalnet: true, forwardIPv4: true, forwardIPv6: true, hold: true });
    await dataplane.commit();
    expect(await Promise.all(keys.slice(0, 3).map(sysctl))).toEqual(["1", "1", "1"]);
    expect(await sysctl("net/ipv6/conf/default/accept_ra")).toBe("2");
    expect(await ruleset()).toContain("chain loopback_guard");
    await dataplane.close();
    expect({ rules: await ruleset(), sysctls: await Promise.all(keys.map(sysctl)) }).toEqual(before);
  });

  it("replaces the table of a dead daemon, and puts back the sysctls that it had changed", async () => {
    const directory = await runtimeDirectory();
    await tools.run("nft", ["-f", "-"], { input: `table inet ${TABLE} {\nset leftover {\ntype ipv4_addr\n}\n}\n` });
    await forwardByDeadDaemon(directory);
    const dataplane = newDataplane(directory);
    cleanups.push(() => dataplane.close());
    await dataplane.start({ ...NO_NEEDS, forwardIPv4: true });
    await dataplane.commit();
    expect(await ruleset()).not.toContain("leftover");
    expect(await ruleset()).toContain("chain forward_guard4 {");
    await dataplane.close();
    expect(await sysctl("net/ipv4/ip_forward")).toBe("0");
  });

  it("puts back at once a sysctl of a dead daemon that is no longer needed", async () => {
    const directory = await runtimeDirectory();
    await forwardByDeadDaemon(directory);
    const dataplane = newDataplane(directory);
    cleanups.push(() => dataplane.close());
    await dataplane.start(NO_NEEDS);
    await dataplane.commit();
    expect(await sysctl("net/ipv4/ip_forward")).toBe("0");
  });

  it("names the command instead of changing sysctls when it may not", async () => {
    const directory = await runtimeDirectory();
    const before = await ruleset();
    const dataplane = newDataplane(directory, { manageSysctls: false });
    await expect(dataplane.start({ ...NO_NEEDS, forwardIPv4: true })).rejects.toMatchObject({
      code: "SYSCTL_NEEDED",
      message: expect.stringContaining("sysctl -w net.ipv4.ip_forward=1") as string,
    });
    expect(await ruleset()).toBe(before);
    expect(await sysctl("net/ipv4/ip_forward")).toBe("0");
  });

  it("refuses a table that another daemon owns, and says who does", async () => {
    const directory = await runtimeDirectory();
    const first = newDataplane(directory);
    cleanups.push(() => first.close());
    await first.start(NO_NEEDS);
    await first.commit();
    const before = await ruleset();
    await expect(newDataplane(directory).start(NO_NEEDS)).rejects.toMatchObject({
      code: "TABLE_IN_USE",
      message: expect.stringContaining(`pid ${String(process.pid)}`) as string,
    });
    expect(await ruleset()).toBe(before);
    const other = newDataplane(directory, { table: "other" });
    cleanups.push(() => other.close());
    await other.start(NO_NEEDS);
    await other.commit();
  });

  it("makes its table and iptables' rules again when somebody flushed them, with all that was in it", async () => {
    const directory = await runtimeDirectory();
    const before = await ruleset();
    const dataplane = newDataplane(directory);
    cleanups.push(() => dataplane.close());
    await dataplane.start({ ...NO_NEEDS, hold: true });
    await dataplane.commit();
    const endpoint: AddrPort = { family: "ipv4", address: "127.0.0.2", port: 80 };
    const group = dataplane.createGroup({ name: "t", endpoints: [{ name: "e", protocol: "tcp", addresses: [endpoint] }] });
    const mapping = group.createMapping({
      name: "f",
      protocol: "tcp",
      routes: [{ listen: { family: "ipv4", address: "127.0.0.10", port: 80 }, endpoint }],
      flowTimeoutMs: 60_000,
      masquerade: "auto",
      whenCold: "hold",
      hold: { timeoutMs: 30_000, maxFlows: 1024 },
      gates: { allow: [], deny: [], ignore: [], wakeLimit: { count: 5, perMs: 60_000 } },
    });
    await mapping.enable();
    const made = await ruleset();
    await tools.run("nft", ["flush", "ruleset"]);
    await dataplane.verify();
    const text = (rules: string): string[] =>
      rules
        .split("\n")
        .map((line) => line.replace(/ packets \d+ bytes \d+/, ""))
        // idle clocks, which begin anew
        .filter((line) => !line.includes(" expires "))
        .sort();
    expect(text(await ruleset())).toEqual(text(made));
    await tools.run("nft", ["flush", "ruleset"]);
    await group.activate();
    expect(await ruleset()).toContain("127.0.0.2 . 80");
    await tools.run("nft", ["flush", "ruleset"]);
    await group.close();
    await dataplane.close();
    expect(await ruleset()).toBe(before);
  });

  it("sets again, behind a guard, what another daemon put back at its end", async () => {
    const directory = await runtimeDirectory();
    // on already, as if another daemon had done it: no guard of this one's
    await writeFile("/proc/sys/net/ipv4/ip_forward", "1");
    const dataplane = newDataplane(directory);
    cleanups.push(() => dataplane.close());
    await dataplane.start({ ...NO_NEEDS, routeLocalnet: true, forwardIPv4: true });
    await dataplane.commit();
    expect(await ruleset()).not.toContain("chain forward_guard4 {");
    await writeFile("/proc/sys/net/ipv4/ip_forward", "0");
    await writeFile("/proc/sys/net/ipv4/conf/all/route_localnet", "0");
    await dataplane.verify();
    expect([await sysctl("net/ipv4/ip_forward"), await sysctl("net/ipv4/conf/all/route_localnet")]).toEqual(["1", "1"]);
    expect(await ruleset()).toContain("chain forward_guard4 {");
    await dataplane.close();
    expect([await sysctl("net/ipv4/ip_forward"), await sysctl("net/ipv4/conf/all/route_localnet")]).toEqual(["0", "0"]);
  });

  it("adds 2,000 mappings in a handful of transactions", async () => {
    const directory = await runtimeDirectory();
    const dataplane = newDataplane(directory);
    cleanups.push(() => dataplane.close());
    await dataplane.start(NO_NEEDS);
    await dataplane.commit();
    const begun = systemClock.now();
    await Promise.all(
      Array.from({ length: 2000 }, async (_each, at) => {
        const endpoint: AddrPort = { family: "ipv4", address: "127.0.0.2", port: 1 + at };
        const group = dataplane.createGroup({
          name: `t${String(at)}`,
          endpoints: [{ name: "e", protocol: "tcp", addresses: [endpoint] }],
        });
        const listen: AddrPort = { family: "ipv4", address: "127.0.0.10", port: 1 + at };
        const mapping = group.createMapping({
          name: `f${String(at)}`,
          protocol: "tcp",
          routes: [{ listen, endpoint }],
          flowTimeoutMs: 60_000,
          masquerade: "auto",
          whenCold: "hold",
          hold: { timeoutMs: 30_000, maxFlows: 1024 },
          gates: { allow: [], deny: [], ignore: [] },
        });
        await Promise.all([mapping.enable(), group.activate()]);
      }),
    );
    expect(systemClock.now() - begun).toBeLessThan(paced(10_000));
    const listed = await tools.run("nft", ["list", "map", "inet", TABLE, "dnat4"], { timeoutMs: paced(10_000) });
    expect(listed.stdout.match(/tcp \. 127\.0\.0\.10/g)).toHaveLength(2000);
  });
});
