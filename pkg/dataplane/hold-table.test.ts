import { describe, expect, it } from "vitest";
import { FakeClock } from "../clock/fake-clock.ts";
import type { Protocol } from "../value/protocol.ts";
import { HoldRoom } from "./hold-room.ts";
import { HoldTable } from "./hold-table.ts";

function setUp(maxFlows = 1024, room = new HoldRoom()) {
  const clock = new FakeClock();
  const verdicts: string[] = [];
  const timedOut: number[] = [];
  const note = (verdict: string) => (ids: readonly number[]) => {
    if (ids.length > 0) verdicts.push(`${verdict} ${ids.join(",")}`);
  };
  const sink = { accept: note("accept"), refuse: note("refuse"), drop: note("drop") };
  const released: string[] = [];
  const table = new HoldTable({ timeoutMs: 30_000, maxFlows }, clock, sink, room, {
    timedOut: (flows) => timedOut.push(flows),
    released: ({ port }, outcome, heldMs) => released.push(`${String(port)} ${outcome} ${String(heldMs)}`),
  });
  const source = { family: "ipv4", address: "192.0.2.1", port: 5000 } as const;
  const add = (id: number, flowKey: string, protocol: Protocol = "tcp", bytes = 60) =>
    table.add({ id, flowKey, protocol, source: { ...source, port: 5000 + id }, destination: source, bytes });
  return { clock, table, verdicts, timedOut, released, add };
}

describe("HoldTable", () => {
  it("keeps the newest SYN of a flow, and lets it go", () => {
    const { table, verdicts, add } = setUp();
    expect([add(1, "a"), add(2, "b"), add(3, "a")]).toEqual(["first", "first", "further"]);
    expect(verdicts).toEqual(["drop 1"]);
    table.accept();
    expect(verdicts.slice(1)).toEqual(["accept 3,2"]);
    expect(table.size).toBe(0);
    table.accept();
    expect(verdicts).toHaveLength(2);
  });

  it("keeps 64 datagrams of a flow, in order, and drops the rest", () => {
    const { table, verdicts, add } = setUp();
    for (let id = 1; id <= 66; id++) add(id, "a", "udp");
    expect(verdicts).toEqual(["drop 65", "drop 66"]);
    table.accept();
    expect(verdicts[2]).toBe(`accept ${Array.from({ length: 64 }, (_each, at) => at + 1).join(",")}`);
  });

  it("tells what became of each flow, and how long it was held", async () => {
    const { clock, table, released, add } = setUp();
    add(1, "a", "udp");
    add(2, "a", "udp");
    await clock.advance(250);
    add(3, "b");
    table.accept();
    add(4, "c");
    table.refuse();
    add(5, "d");
    table.drop();
    add(6, "e");
    await clock.advance(30_000);
    expect(released).toEqual(["5001 passed 250", "5003 passed 0", "5004 refused 0", "5005 dropped 0", "5006 timed_out 30000"]);
  });

  it("lets another table count from the beginning, and tells nothing of what it hands over", async () => {
    const [one, other] = [setUp(), setUp()];
    one.add(1, "a", "udp");
    one.add(2, "a", "udp");
    await one.clock.advance(1000);
    const packets = one.table.handOver();
    expect(packets.map(({ id, heldSince }) => [id, heldSince === undefined])).toEqual([
      [1, false],
      [2, true],
    ]);
    expect(one.released).toEqual([]);
    await other.clock.advance(1500);
    for (const each of packets) other.table.add(each);
    other.table.accept();
    expect(other.released).toEqual(["5001 passed 1500"]);
  });

  it("drops the packets of flows above the limit", () => {
    const { verdicts, add } = setUp(2);
    expect([add(1, "a"), add(2, "b"), add(3, "c"), add(4, "a")]).toEqual(["first", "first", "overflow", "further"]);
    expect(verdicts).toEqual(["drop 3", "drop 1"]);
  });

  it("refuses each flow when its own time is up", async () => {
    const { clock, table, verdicts, timedOut, add } = setUp();
    add(1, "a");
    await clock.advance(10_000);
    add(2, "b");
    await clock.advance(19_999);
    expect(verdicts).toEqual([]);
    await clock.advance(1);
    expect(verdicts).toEqual(["refuse 1"]);
    await clock.advance(10_000);
    expect(verdicts).toEqual(["refuse 1", "refuse 2"]);
    expect(timedOut).toEqual([1, 1]);
    expect([table.size, clock.sleeping]).toEqual([0, 0]);
  });

  it("has no timer left over when everything was let go, and a fresh one for what comes later", async () => {
    const { clock, table, verdicts, add } = setUp();
    add(1, "a");
    await clock.advance(20_000);
    table.accept();
    await clock.advance(0);
    expect(clock.sleeping).toBe(0);
    add(2, "b");
    await clock.advance(29_999);
    expect(verdicts).toEqual(["accept 1"]);
    await clock.advance(1);
    expect(verdicts).toEqual(["accept 1", "refuse 2"]);
  });

  it("leaves room to other mappings, and gives back what it took", async () => {
    const room = new HoldRoom();
    const flooded = setUp(65_536, room);
    const other = setUp(1024, room);
    /** How many of 40,000 datagrams are kept. */
    const flood = ({ add, verdicts }: typeof flooded, bytes: number): number => {
      for (let id = 0; id < 40_000; id++) add(id, String(id >> 5), "udp", bytes);
      return 40_000 - verdicts.filter((each) => each.startsWith("drop")).length;
    };
    expect(flood(flooded, 1500)).toBe(16_384);
    expect(other.add(1, "a")).toBe("first");
    flooded.table.accept();
    flooded.verdicts.length = 0;
    // the largest there are
    expect(flood(flooded, 65_535)).toBe(511);
    await flooded.clock.advance(30_000);
    flooded.verdicts.length = 0;
    flooded.table.drop();
    other.table.refuse();
    flooded.verdicts.length = 0;
    expect(flood(flooded, 1500)).toBe(16_384);
  });

  it("hands over what it holds, in the order in which it would let it go, and forgets it", async () => {
    const { clock, table, verdicts, timedOut, add } = setUp();
    add(1, "a");
    add(2, "b", "udp");
    add(3, "a");
    add(4, "b", "udp");
    verdicts.length = 0;
    const packets = table.handOver();
    expect(packets.map(({ id, flowKey, protocol }) => [id, flowKey, protocol])).toEqual([
      [3, "a", "tcp"],
      [2, "b", "udp"],
      [4, "b", "udp"],
    ]);
    expect([table.size, table.handOver()]).toEqual([0, []]);
    await clock.advance(30_000);
    expect([verdicts, timedOut, clock.sleeping]).toEqual([[], [], 0]);
  });

  it("gives its room back with what it hands over, and the next table holds it as long as any", async () => {
    const room = new HoldRoom();
    const former = setUp(65_536, room);
    const next = setUp(65_536, room);
    for (let id = 0; id < 40_000; id++) former.add(id, String(id >> 5), "udp", 1500);
    const packets = former.table.handOver();
    expect(packets).toHaveLength(16_384);
    for (const packet of packets) next.table.add(packet);
    expect(next.verdicts).toEqual([]);
    await next.clock.advance(29_999);
    expect(next.table.size).toBe(512);
    await next.clock.advance(1);
    expect([next.table.size, next.timedOut]).toEqual([0, [512]]);
  });
});
