import { describe, expect, it } from "vitest";
import { MAPPING } from "../../../test/fixture/target.ts";
import { FakeClock } from "../../clock/fake-clock.ts";
import { collectingLog } from "../../log/collecting-log.ts";
import type { PacketQueue, QueueOptions } from "../../netlink/netlink.ts";
import { type AddrPort, parseAddrPort } from "../../value/addr-port.ts";
import { HoldQueue } from "./hold-queue.ts";

const LISTEN = parseAddrPort("192.0.2.1:80");
const ELSEWHERE = parseAddrPort("192.0.2.2:80");
const HELD = { ...MAPPING, whenCold: "hold" as const };

const FROM_OUTSIDE = { hook: "prerouting", etherType: 0x0800, inputInterface: 2, outputInterface: undefined } as const;

/** The first packet of a TCP connection. */
function syn(to: AddrPort, fromPort = 5000): Buffer {
  const packet = Buffer.alloc(40);
  packet[0] = 0x45;
  packet.writeUInt16BE(packet.length, 2);
  packet[8] = 64;
  packet[9] = 6;
  packet.set([192, 0, 2, 99], 12);
  packet.set(to.address.split(".").map(Number), 16);
  packet.writeUInt16BE(fromPort, 20);
  packet.writeUInt16BE(to.port, 22);
  packet[32] = 0x50;
  packet[33] = 0x02;
  return packet;
}

async function setUp() {
  const verdicts: string[] = [];
  let options: QueueOptions | undefined;
  const kernel: PacketQueue = {
    accept: (ids, mark = 0) => verdicts.push(`accept ${[ids].flat().join()}${mark === 0 ? "" : ` mark ${String(mark)}`}`),
    drop: (ids) => verdicts.push(`drop ${[ids].flat().join()}`),
    stats: () => ({ packets: 0, malformed: 0, overruns: 0, gone: 0, held: 0, overflows: 0 }),
    check: () => undefined,
    close: () => undefined,
  };
  const queue = new HoldQueue({
    number: 7,
    marks: { masquerade: 1, queue: 2, refuse: 4, ignore: 8 },
    clock: new FakeClock(),
    log: collectingLog(),
    open: (given) => {
      options = given;
      return Promise.resolve(kernel);
    },
  });
  await queue.open();
  let id = 0;
  const packet = (to: AddrPort, mark = 0, fromPort?: number): void => {
    const payload = syn(to, fromPort);
    options?.onPacket({ ...FROM_OUTSIDE, id: ++id, mark, payload, length: payload.length });
  };
  return { queue, packet, verdicts };
}

describe("HoldQueue", () => {
  it("drops what comes before the table is its own: that was sent by a dead daemon's", async () => {
    const { queue, packet, verdicts } = await setUp();
    const hold = queue.register(HELD);
    hold.taking = true;
    packet(LISTEN);
    packet(ELSEWHERE);
    expect([verdicts, hold.size]).toEqual([["drop 1", "drop 2"], 0]);
    queue.begin();
    packet(LISTEN);
    expect([verdicts.length, hold.size]).toEqual([2, 1]);
    hold.open();
    expect(verdicts.slice(2)).toEqual(["accept 3"]);
  });

  it("lets go of what nobody takes, and holds for a mapping that is about to be enabled", async () => {
    const { queue, packet, verdicts } = await setUp();
    queue.begin();
    const hold = queue.register(HELD);
    packet(LISTEN);
    hold.taking = true;
    packet(LISTEN);
    expect([verdicts, hold.size]).toEqual([["accept 1"], 1]);
  });

  it("hands what is held over to the mapping that has the address now, the rest goes on", async () => {
    const { queue, packet, verdicts } = await setUp();
    queue.begin();
    const both = { ...HELD, routes: [...HELD.routes, { listen: ELSEWHERE, endpoint: LISTEN }] };
    const former = queue.register(both);
    former.taking = true;
    packet(LISTEN);
    packet(ELSEWHERE, 0, 5001);
    const held: string[] = [];
    const next = queue.register({ ...HELD, name: "next", onHeld: ({ source }) => held.push(String(source.port)) });
    next.taking = true;
    former.taking = false;
    queue.unregister(both, former);
    queue.unregister(both, former);
    expect([verdicts, former.size, next.size, held]).toEqual([["accept 2"], 0, 1, ["5000"]]);
    packet(LISTEN, 0, 5002);
    expect(next.size).toBe(2);
    next.open();
    expect(verdicts.slice(1)).toEqual(["accept 1,3"]);
  });

  it("leaves packets the marks that they came with, but its own, also when they were handed over", async () => {
    const { queue, packet, verdicts } = await setUp();
    queue.begin();
    const former = queue.register(HELD);
    former.taking = true;
    packet(LISTEN, 0x102);
    packet(LISTEN, 2, 5001);
    const next = queue.register({ ...HELD, name: "next" });
    next.taking = true;
    former.taking = false;
    queue.unregister(HELD, former);
    next.refuse();
    expect(verdicts).toEqual([`accept 1 mark ${String(0x104)}`, "accept 2 mark 4"]);
  });
});
