/**
 * Further needs while the daemon runs: what is held stays so, and each setting comes behind its guard.
 * Changes the packet path, so it runs in a network namespace made for the test run.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { newNftDataplane, ownNamespace } from "../../../test/fixture/nft.ts";
import { MAPPING, NO_NEEDS as HOLD } from "../../../test/fixture/target.ts";
import { systemClock } from "../../clock/clock.ts";
import { collectingLog } from "../../log/collecting-log.ts";
import type { ToolRunner } from "../../process/process.ts";
import { systemTools } from "../../process/runner.ts";
import { type AddrPort, parseAddrPort } from "../../value/addr-port.ts";
import type { Needs } from "../dataplane.ts";
import { NftDataplane } from "./driver.ts";

const ENDPOINT = parseAddrPort("127.0.0.2:8080");
const NO_NEEDS: Needs = { ...HOLD, hold: false };
const ALL: Needs = { routeLocalnet: true, forwardIPv4: true, forwardIPv6: true, hold: true };
const GUARDS = ["chain loopback_guard", "chain forward_guard4", "chain forward_guard6"];
const SYSCTLS = ["net/ipv4/conf/all/route_localnet", "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"];
const tools = systemTools();

describe("nft driver: further needs", () => {
  const cleanups: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    await ownNamespace();
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  async function started(needs: Needs, ownTools: ToolRunner = tools): Promise<NftDataplane> {
    const directory = await mkdtemp(join(tmpdir(), "proxygw-adapt-"));
    cleanups.push(() => rm(directory, { recursive: true }));
    const dataplane = newNftDataplane(
      { runtimeDir: directory, log: collectingLog(), tools: ownTools },
      { table: "adapted", queue: 9 },
    );
    cleanups.push(() => dataplane.close());
    await dataplane.start(needs);
    await dataplane.commit();
    return dataplane;
  }

  async function serve(): Promise<void> {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.end("served");
    });
    await new Promise<void>((resolve) => server.listen(ENDPOINT.port, ENDPOINT.address, resolve));
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  }

  function connect(to: AddrPort): Promise<string> {
    return new Promise((resolve) => {
      const socket = createConnection(to.port, to.address);
      socket.on("error", (error) => {
        resolve(error.message);
      });
      socket.on("data", (data) => {
        resolve(data.toString());
        socket.destroy();
      });
    });
  }

  function holding(dataplane: NftDataplane, name: string, listen: AddrPort) {
    const group = dataplane.createGroup({ name, endpoints: [{ name: "e", protocol: "tcp", addresses: [ENDPOINT] }] });
    return {
      group,
      mapping: group.createMapping({ ...MAPPING, name, routes: [{ listen, endpoint: ENDPOINT }], whenCold: "hold" }),
    };
  }

  async function until(condition: () => boolean): Promise<void> {
    const end = Date.now() + 10_000;
    while (!condition()) {
      if (Date.now() > end) throw new Error(`still not so: ${condition.toString()}`);
      await systemClock.sleep(10);
    }
  }

  async function ruleset(): Promise<string> {
    return (await tools.run("nft", ["list", "ruleset"])).stdout;
  }

  const sysctls = (): Promise<string[]> =>
    Promise.all(SYSCTLS.map(async (key) => (await readFile(`/proc/sys/${key}`, "utf8")).trim()));

  it("prepares for all of them at once, and leaves nothing of it behind", async () => {
    await serve();
    const before = [await ruleset(), await sysctls()];
    const dataplane = await started(NO_NEEDS);
    const plain = dataplane.createGroup({ name: "a", endpoints: [{ name: "e", protocol: "tcp", addresses: [ENDPOINT] }] });
    const listen = parseAddrPort("127.0.0.10:80");
    await plain.createMapping({ ...MAPPING, name: "plain", routes: [{ listen, endpoint: ENDPOINT }] }).enable();
    await plain.activate();
    await dataplane.adapt(ALL);
    expect(await sysctls()).toEqual(["1", "1", "1"]);
    const rules = await ruleset();
    for (const guard of GUARDS) expect(rules).toContain(guard);
    // what was there before goes on
    expect(await connect(listen)).toBe("served");
    const held = parseAddrPort("127.0.0.11:80");
    const { group, mapping } = holding(dataplane, "held", held);
    await mapping.enable();
    const answer = connect(held);
    await until(() => group.held === 1);
    await group.activate();
    expect(await answer).toBe("served");
    await dataplane.close();
    expect([await ruleset(), await sysctls()]).toEqual(before);
  });

  it("keeps what is held, and keeps the needs of before", async () => {
    await serve();
    const dataplane = await started(HOLD);
    const listen = parseAddrPort("127.0.0.10:80");
    const { group, mapping } = holding(dataplane, "held", listen);
    await mapping.enable();
    const answer = connect(listen);
    await until(() => group.held === 1);
    await dataplane.adapt({ ...NO_NEEDS, routeLocalnet: true, forwardIPv4: true });
    await dataplane.adapt({ ...NO_NEEDS, forwardIPv6: true });
    const rules = await ruleset();
    for (const guard of GUARDS) expect(rules).toContain(guard);
    expect(group.held).toBe(1);
    await group.activate();
    expect(await answer).toBe("served");
  });

  it("runs nothing when nothing is needed that was not", async () => {
    const ran: string[] = [];
    const counting: ToolRunner = {
      run: (file, args, options) => {
        ran.push(file);
        return tools.run(file, args, options);
      },
    };
    const dataplane = await started({ ...HOLD, forwardIPv4: true }, counting);
    ran.length = 0;
    await dataplane.adapt(NO_NEEDS);
    await dataplane.adapt({ ...HOLD, forwardIPv4: true });
    expect(ran).toEqual([]);
  });

  it("can be tried again after it failed, and sets nothing without its guard", async () => {
    let failing = false;
    const unsure: ToolRunner = {
      run: (file, args, options) => {
        const fails = failing && file === "nft" && options?.input?.includes("loopback_guard") === true;
        if (!fails) return tools.run(file, args, options);
        return Promise.resolve({ exitCode: 1, stdout: "", stderr: "Error: Could not process rule: Device or resource busy\n" });
      },
    };
    const before = [await ruleset(), await sysctls()];
    const dataplane = await started(NO_NEEDS, unsure);
    failing = true;
    await expect(dataplane.adapt(ALL)).rejects.toMatchObject({ code: expect.stringMatching(/^NFT_/) as string });
    expect(await sysctls()).toEqual(["0", "0", "0"]);
    await dataplane.verify();
    expect(await sysctls()).toEqual(["0", "0", "0"]);
    failing = false;
    await dataplane.adapt(ALL);
    expect(await sysctls()).toEqual(["1", "1", "1"]);
    const rules = await ruleset();
    for (const guard of GUARDS) expect(rules).toContain(guard);
    await dataplane.close();
    expect([await ruleset(), await sysctls()]).toEqual(before);
  });
});
