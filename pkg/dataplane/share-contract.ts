import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { paced } from "../../test/pace.ts";
import type { Route } from "../config/types.ts";
import { type AddrPort, parseAddrPort } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";
import {
  type DataplaneHarness,
  ENDPOINT,
  ENDPOINT6,
  groupSpec,
  type HarnessOptions,
  LISTEN,
  LISTEN6,
  LISTEN_81,
  mappingSpec,
  WILDCARD_81,
} from "./contract-given.ts";
import type { Dataplane, PacketCount } from "./dataplane.ts";

const V4 = { specific: LISTEN, wildcard: WILDCARD_81, byWildcard: LISTEN_81, endpoint: ENDPOINT };
const V6 = {
  specific: LISTEN6,
  wildcard: parseAddrPort("[::]:81"),
  byWildcard: parseAddrPort("[::1]:81"),
  endpoint: ENDPOINT6,
};

const NOTHING: PacketCount = { packets: 0, bytes: 0 };

function total(counts: readonly PacketCount[]): PacketCount {
  return counts.reduce((one, other) => ({ packets: one.packets + other.packets, bytes: one.bytes + other.bytes }), NOTHING);
}

/** What every implementation of Dataplane must tell of packets by route; see contract.ts. */
export function shareContract(name: string, open: (options: HarnessOptions) => Promise<DataplaneHarness>): void {
  describe(`${name}: dataplane contract, whose packets they are`, () => {
    let harness: DataplaneHarness;
    let dataplane: Dataplane;

    beforeEach(async () => {
      harness = await open({ wildcardOverlap: "refuse" });
      dataplane = harness.dataplane;
    });
    afterEach(async () => {
      await harness.close();
    });

    async function receivedBy(protocol: Protocol, ...routes: Route[]): Promise<number[]> {
      const traffic = await dataplane.traffic();
      return routes.map((route) => traffic.receivedBy(protocol, route).packets);
    }

    it.each<[Protocol, string, typeof V4]>([
      ["udp", "IPv4", V4],
      ["udp", "IPv6", V6],
      ["tcp", "IPv4", V4],
      ["tcp", "IPv6", V6],
    ])("are those of each mapping that leads to an endpoint: %s over %s", async (protocol, _family, addresses) => {
      const { specific, wildcard, byWildcard, endpoint } = addresses;
      const group = dataplane.createGroup(groupSpec("a", protocol, endpoint));
      const routes = [specific, wildcard].map((listen) => ({ listen, endpoint }));
      const mappings = [specific, wildcard].map((listen, at) =>
        group.createMapping(mappingSpec(`m${String(at)}`, listen, endpoint, protocol)),
      );
      await Promise.all([...mappings.map((each) => each.enable()), group.activate()]);
      expect(await receivedBy(protocol, ...routes)).toEqual([0, 0]);
      for (const to of [specific, byWildcard, byWildcard]) await harness.send(protocol, to);
      await harness.traffic();
      // TCP acknowledges when it likes
      await vi.waitFor(async () => {
        const traffic = await dataplane.traffic();
        const received = routes.map((route) => traffic.receivedBy(protocol, route));
        const sent = routes.map((route) => traffic.sentBy(protocol, route));
        expect([total(received), total(sent)]).toEqual([traffic.received(protocol, endpoint), traffic.sent(protocol, endpoint)]);
        for (const [one = NOTHING, other = NOTHING] of [received, sent]) {
          expect(one.packets).toBeGreaterThan(0);
          expect(other.bytes).toBeGreaterThan(one.bytes);
        }
        if (protocol === "udp") expect(received.map(({ packets }) => packets)).toEqual([2, 4]);
      }, paced(5000));
    });

    it("are all of the endpoint's where one mapping leads there, whatever address of it was used", async () => {
      const group = dataplane.createGroup(groupSpec("a", "udp"));
      const routes = [LISTEN, WILDCARD_81].map((listen) => ({ listen, endpoint: ENDPOINT }));
      await Promise.all([
        group.createMapping({ ...mappingSpec("m", LISTEN, ENDPOINT, "udp"), routes }).enable(),
        group.activate(),
      ]);
      for (const to of [LISTEN, LISTEN_81, LISTEN_81]) await harness.send("udp", to);
      await harness.traffic();
      const traffic = await dataplane.traffic();
      expect(total(routes.map((route) => traffic.receivedBy("udp", route)))).toEqual(traffic.received("udp", ENDPOINT));
      expect(total(routes.map((route) => traffic.sentBy("udp", route)))).toEqual(traffic.sent("udp", ENDPOINT));
      expect(traffic.received("udp", ENDPOINT).packets).toBe(6);
    });

    it("neither jump nor fall when another mapping comes to share the endpoint, or goes, or takes over", async () => {
      const send = (to: AddrPort): Promise<unknown> => harness.send("udp", to);
      const [a, b] = ["a", "b"].map((each) => dataplane.createGroup(groupSpec(each, "udp")));
      if (a === undefined || b === undefined) throw new Error("no groups");
      const routes = [LISTEN, WILDCARD_81].map((listen) => ({ listen, endpoint: ENDPOINT }));
      const first = a.createMapping(mappingSpec("first", LISTEN, ENDPOINT, "udp"));
      await Promise.all([first.enable(), a.activate()]);
      await send(LISTEN);
      await send(LISTEN);
      // nobody has looked so far
      await Promise.all([b.createMapping(mappingSpec("second", WILDCARD_81, ENDPOINT, "udp")).enable(), b.activate()]);
      expect(await receivedBy("udp", ...routes)).toEqual([2, 0]);
      await send(LISTEN_81);
      await send(LISTEN);
      expect(await receivedBy("udp", ...routes)).toEqual([3, 1]);
      // its flow goes on
      await b.close();
      await harness.traffic();
      await vi.waitFor(async () => {
        expect((await receivedBy("udp", ...routes))[0]).toBe(6);
      }, paced(5000));
      await a.deactivate();
      await a.cutFlows();
      await a.activate();
      await send(LISTEN);
      const [mine, others = 0] = await receivedBy("udp", ...routes);
      expect(mine).toBe(7);
      expect(others).toBeGreaterThanOrEqual(1);
      const third = a.createMapping(mappingSpec("third", WILDCARD_81, ENDPOINT, "udp"));
      await Promise.all([first.close(), third.enable()]);
      await send(LISTEN_81);
      expect(await receivedBy("udp", ...routes)).toEqual([7, others + 1]);
      const traffic = await dataplane.traffic();
      expect(traffic.received("udp", ENDPOINT).packets).toBeGreaterThanOrEqual(others + 8);
    });

    it("go on when the same mapping is made again, and the group", async () => {
      const route = { listen: LISTEN, endpoint: ENDPOINT };
      const group = dataplane.createGroup(groupSpec("a", "udp"));
      const mapping = group.createMapping(mappingSpec("m", LISTEN, ENDPOINT, "udp"));
      await Promise.all([mapping.enable(), group.activate()]);
      await harness.send("udp", LISTEN);
      const again = [mapping.close(), group.createMapping(mappingSpec("n", LISTEN, ENDPOINT, "udp")).enable()];
      await Promise.all(again);
      await harness.send("udp", LISTEN);
      const closed = group.close();
      const next = dataplane.createGroup(groupSpec("a", "udp"));
      await Promise.all([closed, next.createMapping(mappingSpec("m", LISTEN, ENDPOINT, "udp")).enable(), next.activate()]);
      await harness.send("udp", LISTEN);
      expect(await receivedBy("udp", route)).toEqual([3]);
    });
  });
}
