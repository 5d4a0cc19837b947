/** The kernel's connections, as conntrack(8) shows them too, in a network namespace made for the test run (`make test` does that). */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ownNamespace } from "../../test/fixture/nft.ts";
import { systemTools } from "../process/runner.ts";
import { type AddrPort, formatAddrPort, parseAddrPort } from "../value/addr-port.ts";
import { openFlows, tryFlows } from "./flows.ts";
import type { FlowFilter, FlowTable, KernelFlow } from "./netlink.ts";

const tools = systemTools();
const FAMILIES = ["ipv4", "ipv6"] as const;

describe("connections that the kernel knows", () => {
  let flows: FlowTable;
  const servers: Server[] = [];

  beforeEach(async () => {
    await ownNamespace();
    // connections are followed where somebody asks for their state
    await nft(
      "add table inet follow; add chain inet follow c { type filter hook output priority 0; }; add rule inet follow c ct state new",
    );
    await tools.run("conntrack", ["-F"]);
    flows = await openFlows();
  });
  afterEach(async () => {
    flows.close();
    for (const server of servers.splice(0)) server.close();
    await nft("delete table inet follow");
  });

  async function nft(text: string): Promise<void> {
    expect((await tools.run("nft", [text])).stderr).toBe("");
  }

  async function list(filter: FlowFilter): Promise<KernelFlow[]> {
    const found: KernelFlow[] = [];
    await flows.each(filter, (flow) => found.push(flow));
    return found;
  }

  async function datagramTo({ address, family, port }: AddrPort): Promise<void> {
    const socket = createSocket(family === "ipv4" ? "udp4" : "udp6");
    socket.send("x", port, address);
    await once(socket, "listening");
    await new Promise((sent) => setTimeout(sent, 50));
    socket.close();
  }

  async function connected(host: string): Promise<AddrPort> {
    const server = createServer((socket) => socket.on("error", () => undefined));
    servers.push(server);
    server.listen(0, host);
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const client = connect(port, host);
    await once(client, "connect");
    servers.push({ close: () => client.destroy() } as unknown as Server);
    return parseAddrPort(host.includes(":") ? `[${host}]:${String(port)}` : `${host}:${String(port)}`);
  }

  it("can be asked for", async () => {
    await tryFlows();
  });

  it("are those that conntrack lists, in both families", async () => {
    const endpoints = [await connected("127.0.0.1"), await connected("::1")];
    for (const each of ["127.0.0.1:5300", "[::1]:5300"]) await datagramTo(parseAddrPort(each));
    const told: string[] = [];
    const listed: string[] = [];
    for (const family of FAMILIES) {
      for (const { protocol, source, destination, state = "-", timeoutSeconds = 0 } of await list({ family })) {
        expect(timeoutSeconds).toBeGreaterThan(0);
        told.push([protocol, state, source.address, destination.address, source.port, destination.port].join(" "));
      }
      for (const line of (await tools.run("conntrack", ["-L", "-f", family])).stdout.trim().split("\n")) {
        const match = /^(\w+)\s+\d+ \d+ ([A-Z_0-9]+ )?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/.exec(line);
        listed.push([match?.[1], match?.[2]?.trim() ?? "-", ...(match?.slice(3) ?? [])].join(" "));
      }
    }
    expect(told).toHaveLength(4);
    expect(told.sort()).toEqual(listed.sort());
    for (const replySource of endpoints) {
      const found = await list({ family: replySource.family, protocol: "tcp", replySource });
      expect(found.map(({ state, endpoint }) => [state, endpoint])).toEqual([["ESTABLISHED", replySource]]);
    }
  });

  it("are deleted one by one, and the others stay", async () => {
    for (const each of ["127.0.0.1:5300", "127.0.0.1:5300", "127.0.0.2:5300", "[::1]:5300"])
      await datagramTo(parseAddrPort(each));
    const replySource = parseAddrPort("127.0.0.1:5300");
    const filter = { family: "ipv4", protocol: "udp", replySource } as const;
    expect(await flows.delete(filter, () => false)).toBe(0);
    expect(await flows.delete(filter, () => true)).toBe(2);
    expect(await flows.delete(filter, () => true)).toBe(0);
    const left = (await Promise.all(FAMILIES.map((family) => list({ family })))).flat();
    expect(left.map(({ endpoint }) => formatAddrPort(endpoint))).toEqual(["127.0.0.2:5300", "[::1]:5300"]);
  });

  it("with a translation have the client's address, the one that it used, and the endpoint's", async () => {
    const endpoint = await connected("127.0.0.1");
    await nft(
      `add chain inet follow n { type nat hook output priority -100; }; add rule inet follow n meta l4proto tcp ip daddr 127.0.0.9 dnat ip to ${formatAddrPort(endpoint)}`,
    );
    const client = connect(7, "127.0.0.9");
    servers.push({ close: () => client.destroy() } as unknown as Server);
    await once(client, "connect");
    const found = await list({ family: "ipv4", protocol: "tcp", replySource: endpoint });
    expect(found.map(({ destination }) => formatAddrPort(destination)).sort()).toEqual(
      [formatAddrPort(endpoint), "127.0.0.9:7"].sort(),
    );
  });

  it("cannot be asked for after the end", async () => {
    flows.close();
    await expect(list({ family: "ipv4" })).rejects.toMatchObject({ code: "FLOWS_FAILED" });
    flows.close();
  });
});
