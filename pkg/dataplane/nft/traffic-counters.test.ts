import { describe, expect, it } from "vitest";
import type { ElementContent, ElementState } from "../../netlink/netlink.ts";
import { Fault } from "../../fault/fault.ts";
import { parseAddrPort } from "../../value/addr-port.ts";
import type { Protocol } from "../../value/protocol.ts";
import type { Element } from "./elements.ts";
import { bytesOf, keyIdOf } from "./key.ts";
import { TrafficCounters } from "./traffic-counters.ts";

const ENDPOINT = parseAddrPort("10.0.0.1:80");
const ENDPOINT6 = parseAddrPort("[2001:db8::1]:80");
const ROUTES = {
  specific: { listen: parseAddrPort("192.0.2.1:8080"), endpoint: ENDPOINT },
  wildcard: { listen: parseAddrPort("0.0.0.0:80"), endpoint: ENDPOINT },
  six: { listen: parseAddrPort("[::]:80"), endpoint: ENDPOINT6 },
};
const SPECIFIC: Element = { set: "dnat4", key: "tcp . 192.0.2.1 . 8080", value: "10.0.0.1 . 80" };
const RECEIVED: Element = { set: "received4", key: "tcp . 10.0.0.1 . 80" };

/** A table in which tests count. */
class Kernel {
  readonly counts = new Map<Element, number>();
  asked = 0;
  dumped = 0;
  /** So many dumps are interrupted, at their end. */
  interruptions = 0;
  fails = false;

  elements(_table: string, set: string, visit: (element: ElementContent) => void): Promise<void> {
    this.dumped++;
    if (this.fails) return Promise.reject(new Fault("RULESET_FAILED", "no"));
    for (const [element, packets] of this.counts) {
      if (element.set !== set) continue;
      const value = element.value === undefined ? undefined : bytesOf(keyIdOf(element.value));
      const counter = { packets, bytes: packets * 100 };
      visit({ key: bytesOf(keyIdOf(element.key)), keyEnd: undefined, value, verdict: undefined, counter });
    }
    if (this.interruptions-- > 0) return Promise.reject(new Fault("RULESET_CHANGED", "changed"));
    return Promise.resolve();
  }

  element(_table: string, set: string, key: Buffer): ElementState | undefined {
    this.asked++;
    if (this.fails) throw new Fault("RULESET_FAILED", "no");
    for (const [element, packets] of this.counts) {
      if (element.set === set && bytesOf(keyIdOf(element.key)).equals(key))
        return { expiresMs: undefined, packets, bytes: packets * 100 };
    }
    return undefined;
  }
}

function setUp() {
  const kernel = new Kernel();
  const counters = new TrafficCounters("t");
  counters.open(kernel);
  const received = async (protocol: Protocol = "tcp") => (await counters.read()).received(protocol, ENDPOINT);
  return { kernel, counters, received };
}

describe("TrafficCounters", () => {
  it("finds what was counted by route and by endpoint, in both directions", async () => {
    const { kernel, counters } = setUp();
    kernel.counts
      .set(SPECIFIC, 3)
      .set({ set: "dnat_any4", key: "tcp . 80", value: "10.0.0.1 . 80" }, 4)
      .set({ set: "dnat_any4", key: "udp . 80", value: "10.0.0.1 . 80" }, 50)
      .set({ set: "dnat_any6", key: "tcp . 80", value: "2001:db8::1 . 80" }, 5)
      .set(RECEIVED, 7)
      .set({ set: "sent4", key: "tcp . 10.0.0.1 . 80" }, 8)
      .set({ set: "sent6", key: "tcp . 2001:db8::1 . 80" }, 9);
    const traffic = await counters.read();
    expect(Object.values(ROUTES).map((route) => traffic.began("tcp", route))).toEqual([3, 4, 5]);
    expect([traffic.beganTo("tcp", ENDPOINT), traffic.beganTo("udp", ENDPOINT), traffic.beganTo("tcp", ENDPOINT6)]).toEqual([
      7, 50, 5,
    ]);
    expect(traffic.received("tcp", ENDPOINT)).toEqual({ packets: 7, bytes: 700 });
    expect([traffic.sent("tcp", ENDPOINT), traffic.sent("tcp", ENDPOINT6)].map(({ packets }) => packets)).toEqual([8, 9]);
    expect(traffic.received("udp", ENDPOINT)).toEqual({ packets: 0, bytes: 0 });
    expect(kernel.dumped).toBe(20);
  });

  it("gives a route what the endpoint's own elements count while nobody else has them, and what is counted by route", async () => {
    const { kernel, counters } = setUp();
    const { specific, wildcard } = ROUTES;
    const packets = async (): Promise<number[]> => {
      const traffic = await counters.read();
      const by = [specific, wildcard].flatMap((route) => [traffic.receivedBy("tcp", route), traffic.sentBy("tcp", route)]);
      return [traffic.received("tcp", ENDPOINT), ...by].map((each) => each.packets);
    };
    // before any route led there
    kernel.counts.set(RECEIVED, 5);
    expect(await packets()).toEqual([5, 0, 0, 0, 0]);
    counters.own("tcp", specific);
    kernel.counts.set(RECEIVED, 7).set({ set: "sent4", key: RECEIVED.key }, 3);
    expect(await packets()).toEqual([7, 2, 3, 0, 0]);
    // shared from now on; what came since the last reading was the former owner's
    kernel.counts.set(RECEIVED, 8);
    (await counters.leaving([RECEIVED]))(true);
    kernel.counts.delete(RECEIVED);
    kernel.counts
      .set({ set: "received_shared4", key: RECEIVED.key }, 10)
      .set({ set: "received_by_route4", key: "tcp . 192.0.2.1 . 8080 . 10.0.0.1 . 80" }, 6)
      .set({ set: "sent_by_route_any4", key: "tcp . 80 . 10.0.0.1 . 80" }, 1);
    expect(await packets()).toEqual([18, 9, 3, 0, 1]);
    // and the other one's alone after that
    counters.own("tcp", wildcard);
    kernel.counts.set(RECEIVED, 2);
    expect(await packets()).toEqual([20, 9, 3, 2, 1]);
    // its count begins anew
    kernel.counts.set(RECEIVED, 1);
    expect(await packets()).toEqual([21, 9, 3, 3, 1]);
    expect(counters.last().receivedBy("tcp", wildcard)).toEqual({ packets: 3, bytes: 300 });
  });

  it.each(["a few", "many"])("adds up over the lives of elements, of %s", async (many) => {
    const { kernel, counters, received } = setUp();
    const others = Array.from({ length: many === "many" ? 1000 : 0 }, (_each, at) => ({
      set: "sent4",
      key: `udp . 10.1.0.1 . ${String(at + 1)}`,
    }));
    kernel.counts.set(RECEIVED, 5);
    expect(await received()).toEqual({ packets: 5, bytes: 500 });
    kernel.counts.set(RECEIVED, 9);
    const told = await counters.leaving([RECEIVED, { set: "hold4", key: RECEIVED.key }, ...others]);
    expect(kernel.asked).toBe(many === "many" ? 0 : 1);
    kernel.counts.delete(RECEIVED);
    told(true);
    expect(await received()).toEqual({ packets: 9, bytes: 900 });
    kernel.counts.set(RECEIVED, 20);
    expect(await received()).toEqual({ packets: 29, bytes: 2900 });
  });

  it("counts nothing twice that is read while it is being deleted", async () => {
    const { kernel, counters, received } = setUp();
    kernel.counts.set(RECEIVED, 5);
    const told = await counters.leaving([RECEIVED]);
    // deleted and made again by the same transaction, of which nothing has been heard yet
    kernel.counts.set(RECEIVED, 1);
    expect((await received()).packets).toBe(5);
    told(true);
    expect((await received()).packets).toBe(6);
  });

  it("goes on where a deletion has failed", async () => {
    const { kernel, counters, received } = setUp();
    kernel.counts.set(RECEIVED, 5);
    (await counters.leaving([RECEIVED]))(false);
    kernel.counts.set(RECEIVED, 6);
    expect((await received()).packets).toBe(6);
  });

  it("knows an element that somebody else has made again by its smaller count", async () => {
    const { kernel, received } = setUp();
    kernel.counts.set(RECEIVED, 5);
    await received();
    kernel.counts.set(RECEIVED, 2);
    expect(await received()).toEqual({ packets: 7, bytes: 700 });
  });

  it("is told what begins anew, which may count as much as before by the time it is read", async () => {
    const { kernel, counters, received } = setUp();
    kernel.counts.set(RECEIVED, 5);
    await received();
    kernel.counts.delete(RECEIVED);
    counters.restarted([RECEIVED, SPECIFIC, { set: "hold4", key: RECEIVED.key }]);
    kernel.counts.set(RECEIVED, 5);
    expect((await received()).packets).toBe(10);
    kernel.counts.set(RECEIVED, 7);
    await counters.remaking();
    kernel.counts.set(RECEIVED, 8);
    expect(await received()).toEqual({ packets: 20, bytes: 2000 });
    kernel.fails = true;
    await counters.remaking();
  });

  it("makes do with what it can read while others keep changing the table", async () => {
    const { kernel, received } = setUp();
    kernel.counts.set(RECEIVED, 5);
    kernel.interruptions = 1000;
    expect((await received()).packets).toBe(5);
  });

  it("says that it cannot read, and lets transactions go on all the same", async () => {
    const { kernel, counters } = setUp();
    kernel.fails = true;
    await expect(counters.read()).rejects.toMatchObject({ code: "TRAFFIC_UNKNOWN" });
    (await counters.leaving([RECEIVED]))(true);
    expect(counters.last().received("tcp", ENDPOINT).packets).toBe(0);
    await expect(new TrafficCounters("t").read()).rejects.toMatchObject({ code: "TRAFFIC_UNKNOWN" });
  });
});
