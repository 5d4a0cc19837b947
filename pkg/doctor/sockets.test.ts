import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { covers, parseSockets, readSockets } from "./sockets.ts";

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

describe("sockets", () => {
  it("reads who listens, as the kernel writes it", () => {
    const tcp = `${HEAD}   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1511 1 0 100\n`;
    expect(parseSockets(tcp, "tcp", "ipv4")).toEqual([
      { protocol: "tcp", at: { family: "ipv4", address: "127.0.0.1", port: 8080 }, inode: "1511", holders: [] },
    ]);
    expect(parseSockets(tcp.replace(" 0A ", " 01 "), "tcp", "ipv4")).toEqual([]);
    const udp = `${HEAD}  12: 000080FE00000000FF005450A1B2C3D4:0035 00000000000000000000000000000000:0000 07 0:0 00:0 0 0 0 22 2 0 0\n`;
    expect(parseSockets(udp, "udp", "ipv6")[0]?.at).toMatchObject({ address: "fe80::5054:ff:d4c3:b2a1", port: 53 });
    expect(parseSockets("nonsense\n\0: ", "udp", "ipv6")).toEqual([]);
  });

  it("knows what comes to a wildcard", () => {
    const at = (address: string, port = 80) => ({
      family: address.includes(":") ? ("ipv6" as const) : ("ipv4" as const),
      address,
      port,
    });
    expect(covers(at("0.0.0.0"), at("10.0.0.1"))).toBe("yes");
    expect(covers(at("10.0.0.2"), at("10.0.0.1"))).toBe("no");
    expect(covers(at("10.0.0.2"), at("0.0.0.0"))).toBe("yes");
    expect(covers(at("::"), at("10.0.0.1"))).toBe("maybe");
    expect(covers(at("::1"), at("127.0.0.1"))).toBe("no");
    expect(covers(at("0.0.0.0"), at("0.0.0.0", 81))).toBe("no");
  });

  it("finds whose it is", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as { port: number };
      const [found] = await readSockets(new Set([port]));
      expect(found?.holders.map(({ pid }) => pid)).toContain(process.pid);
    } finally {
      server.close();
    }
  });
});
