/** What shared endpoints take, and what others are spared, on the real kernel, in a network namespace made for the test run (`make test`). */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { newNftDataplane, ownNamespace } from "../../../test/fixture/nft.ts";
import { type CollectingLog, collectingLog } from "../../log/collecting-log.ts";
import { systemTools } from "../../process/runner.ts";
import { parseAddrPort } from "../../value/addr-port.ts";
import { ENDPOINT, groupSpec, LISTEN, mappingSpec } from "../contract-given.ts";
import type { Group } from "../dataplane.ts";
import { NftDataplane } from "./driver.ts";

const TABLE = "sharing";
/** The endpoint's port. */
const WILDCARD = parseAddrPort("0.0.0.0:8080");
const tools = systemTools();

describe("endpoints that several mappings lead to", () => {
  let directory: string;
  let dataplane: NftDataplane;
  let group: Group;
  let log: CollectingLog;
  let service: Socket;

  beforeEach(async () => {
    await ownNamespace();
    directory = await mkdtemp(join(tmpdir(), "proxygw-sharing-"));
    log = collectingLog();
    dataplane = newNftDataplane({ runtimeDir: directory, log }, { table: TABLE });
    await dataplane.start({ routeLocalnet: false, forwardIPv4: false, forwardIPv6: false, hold: false });
    await dataplane.commit();
    group = dataplane.createGroup(groupSpec("a", "udp"));
    await group.createMapping(mappingSpec("specific", LISTEN, ENDPOINT, "udp")).enable();
    await group.activate();
    service = createSocket("udp4");
    service.on("message", (_message, from) => {
      service.send("!", from.port, from.address);
    });
    service.bind(ENDPOINT.port, ENDPOINT.address);
    await once(service, "listening");
  });
  afterEach(async () => {
    service.close();
    await dataplane.close();
    await rm(directory, { recursive: true });
  });

  /** The rules of one chain of the clock. */
  async function clock(): Promise<string[]> {
    const { stdout } = await tools.run("nft", ["list", "chain", "inet", TABLE, "clock_daddr"]);
    return stdout.split("\n").filter((line) => line.startsWith("\t\t"));
  }

  async function hasSet(name: string): Promise<boolean> {
    return (await tools.run("nft", ["list", "sets", "inet"])).stdout.includes(`set ${name} {`);
  }

  /** A datagram, and its answer. */
  async function ask({ port, address }: { port: number; address: string }): Promise<void> {
    const client = createSocket("udp4");
    client.bind(0, "127.0.0.1");
    await once(client, "listening");
    client.send("?", port, address);
    await once(client, "message");
    client.close();
  }

  it("get rules of their own with the second mapping, in the table that is there, for all that follow", async () => {
    expect(await clock()).toHaveLength(2);
    expect(await hasSet("received_shared4")).toBe(false);
    const rules = await clock();
    await group.createMapping(mappingSpec("wildcard", WILDCARD, ENDPOINT, "udp")).enable();
    // none of the packets that the first two rules find comes to those that follow
    expect((await clock()).slice(0, 2)).toEqual(rules);
    expect(rules.every((rule) => rule.endsWith(" accept"))).toBe(true);
    expect(await clock()).toHaveLength(4);
    expect(await hasSet("received_shared4")).toBe(true);
    await dataplane.verify();
    await tools.run("nft", ["flush", "ruleset"]);
    await dataplane.verify();
    expect(await clock()).toHaveLength(4);
    await ask(LISTEN);
    expect((await dataplane.traffic()).receivedBy("udp", { listen: LISTEN, endpoint: ENDPOINT }).packets).toBe(1);
    expect(log.messages("warn")).toHaveLength(1);
  });

  it("keep apart who came directly, also to a port that a wildcard has, and keep time", async () => {
    await group.createMapping(mappingSpec("wildcard", WILDCARD, ENDPOINT, "udp")).enable();
    const routes = [LISTEN, WILDCARD].map((listen) => ({ listen, endpoint: ENDPOINT }));
    await ask(ENDPOINT);
    expect(await group.quietFor()).toBeLessThan(30_000);
    for (const to of [LISTEN, ENDPOINT, { address: "127.0.0.10", port: 8080 }]) await ask(to);
    const traffic = await dataplane.traffic();
    const each = { packets: 1, bytes: 29 };
    expect(routes.map((route) => traffic.receivedBy("udp", route))).toEqual([each, each]);
    expect(routes.map((route) => traffic.sentBy("udp", route))).toEqual([each, each]);
    expect([traffic.received("udp", ENDPOINT), traffic.sent("udp", ENDPOINT)].map(({ packets }) => packets)).toEqual([4, 4]);
  });
});
