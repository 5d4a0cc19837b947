import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseCidr } from "../value/cidr.ts";
import {
  type DataplaneHarness,
  ENDPOINT,
  groupSpec,
  type HarnessOptions,
  LISTEN,
  LISTEN_81,
  mappingSpec,
  OTHER,
  untilHeld,
  WILDCARD,
  WILDCARD_81,
} from "./contract-given.ts";
import type { Dataplane, Flow, HeldFlow } from "./dataplane.ts";

/** What every implementation of Dataplane must tell of flows, packets and transactions; see contract.ts. */
export function observeContract(name: string, open: (options: HarnessOptions) => Promise<DataplaneHarness>): void {
  describe(`${name}: dataplane contract, what it tells`, () => {
    let harness: DataplaneHarness;
    let dataplane: Dataplane;

    beforeEach(async () => {
      harness = await open({ wildcardOverlap: "refuse" });
      dataplane = harness.dataplane;
    });
    afterEach(async () => {
      await harness.close();
    });

    async function flows(): Promise<Flow[]> {
      const found: Flow[] = [];
      await dataplane.eachFlow((flow) => found.push(flow));
      return found.sort((one, other) => one.source.address.localeCompare(other.source.address));
    }

    it("tells the flows of all groups, also those that do not count as use", async () => {
      const [a, b] = [dataplane.createGroup(groupSpec("a")), dataplane.createGroup(groupSpec("b", "tcp", OTHER))];
      const gates = { allow: [], deny: [], ignore: [parseCidr("127.0.0.23")] };
      await a.createMapping({ ...mappingSpec("wild", WILDCARD), gates, whenCold: "hold" }).enable();
      await b.createMapping({ ...mappingSpec("b", LISTEN_81, OTHER), flowTimeoutMs: 30_000 }).enable();
      await Promise.all([a.activate(), b.activate()]);
      expect(await flows()).toEqual([]);
      await harness.send("tcp", LISTEN, "127.0.0.21");
      await harness.send("tcp", LISTEN_81, "127.0.0.22");
      await harness.send("tcp", LISTEN, "127.0.0.23");
      const found = await flows();
      expect(found.map(({ source }) => source.address)).toEqual(["127.0.0.21", "127.0.0.22", "127.0.0.23"]);
      expect(found.map(({ destination }) => destination)).toEqual([LISTEN, LISTEN_81, LISTEN]);
      expect(found.map(({ endpoint }) => endpoint)).toEqual([ENDPOINT, OTHER, ENDPOINT]);
      expect(found.map(({ ignored }) => ignored)).toEqual([false, false, true]);
      expect(found.map(({ state }) => state)).toEqual(["ESTABLISHED", "ESTABLISHED", "ESTABLISHED"]);
      for (const [at, longest] of [60_000, 30_000].entries()) {
        expect(found[at]?.remainingMs).toBeGreaterThan(longest - 20_000);
        expect(found[at]?.remainingMs).toBeLessThanOrEqual(longest);
      }
      await a.cutFlows();
      expect((await flows()).map(({ endpoint }) => endpoint)).toEqual([OTHER]);
      await b.close();
      expect(await flows()).toEqual([]);
    });

    it("counts flows by route and endpoint, and packets by endpoint, in either direction", async () => {
      const group = dataplane.createGroup(groupSpec("a", "udp"));
      const routes = [LISTEN, WILDCARD_81].map((listen) => ({ listen, endpoint: ENDPOINT }));
      const mappings = routes.map(({ listen }, at) =>
        group.createMapping(mappingSpec(`m${String(at)}`, listen, ENDPOINT, "udp")),
      );
      await Promise.all([...mappings.map((each) => each.enable()), group.activate()]);
      const before = await dataplane.traffic();
      expect([before.beganTo("udp", ENDPOINT), before.received("udp", ENDPOINT).packets]).toEqual([0, 0]);
      await harness.send("udp", LISTEN, "127.0.0.21");
      await harness.send("udp", LISTEN_81, "127.0.0.21");
      await harness.send("udp", LISTEN_81, "127.0.0.22");
      const between = await dataplane.traffic();
      expect(routes.map((route) => between.began("udp", route))).toEqual([1, 2]);
      expect([between.beganTo("udp", ENDPOINT), between.beganTo("tcp", ENDPOINT), between.beganTo("udp", OTHER)]).toEqual([
        3, 0, 0,
      ]);
      const received = between.received("udp", ENDPOINT);
      expect(received.packets).toBe(3);
      await harness.traffic();
      const after = await dataplane.traffic();
      expect(after.beganTo("udp", ENDPOINT)).toBe(3);
      expect(after.received("udp", ENDPOINT)).toEqual({ packets: 6, bytes: 2 * received.bytes });
      expect(after.sent("udp", ENDPOINT).packets).toBe(between.sent("udp", ENDPOINT).packets + 3);
    });

    it("goes on counting when a mapping is taken away and comes again, and when the group does", async () => {
      const group = dataplane.createGroup(groupSpec("a", "udp"));
      const route = { listen: LISTEN, endpoint: ENDPOINT };
      const mapping = group.createMapping(mappingSpec("m", LISTEN, ENDPOINT, "udp"));
      await Promise.all([mapping.enable(), group.activate()]);
      await harness.send("udp", LISTEN, "127.0.0.21");
      await mapping.disable();
      await mapping.enable();
      await harness.send("udp", LISTEN, "127.0.0.22");
      await group.deactivate();
      await group.close();
      const next = dataplane.createGroup(groupSpec("a", "udp"));
      await Promise.all([next.createMapping(mappingSpec("m", LISTEN, ENDPOINT, "udp")).enable(), next.activate()]);
      await harness.send("udp", LISTEN, "127.0.0.23");
      const traffic = await dataplane.traffic();
      expect([traffic.began("udp", route), traffic.beganTo("udp", ENDPOINT), traffic.received("udp", ENDPOINT).packets]).toEqual([
        3, 3, 3,
      ]);
    });

    it("tells what becomes of held flows, and of none that another mapping takes over", async () => {
      const told: string[] = [];
      const listening = (who: string) => ({
        whenCold: "hold" as const,
        onHeld: ({ source, handedOver }: HeldFlow) => told.push(`${who} ${handedOver ? "takes" : "holds"} ${source.address}`),
        onReleased: ({ address }: { address: string }, outcome: string) => told.push(`${who} ${outcome} ${address}`),
      });
      const group = dataplane.createGroup(groupSpec("a"));
      const former = group.createMapping({ ...mappingSpec("one"), ...listening("one") });
      await former.enable();
      const answer = harness.send("tcp", LISTEN, "127.0.0.21");
      await untilHeld(group, 1);
      const closed = former.close();
      const next = group.createMapping({ ...mappingSpec("two"), ...listening("two") });
      await Promise.all([closed, next.enable()]);
      await group.activate();
      await answer;
      await group.deactivate();
      const refused = harness.send("tcp", LISTEN, "127.0.0.22");
      await untilHeld(group, 1);
      group.refuseHeld();
      await refused;
      const dropped = harness.send("tcp", LISTEN, "127.0.0.23");
      await untilHeld(group, 1);
      await next.close();
      await dropped;
      expect(told).toEqual([
        "one holds 127.0.0.21",
        "two takes 127.0.0.21",
        "two passed 127.0.0.21",
        "two holds 127.0.0.22",
        "two refused 127.0.0.22",
        "two holds 127.0.0.23",
        "two dropped 127.0.0.23",
      ]);
      expect(next.overflowed).toBe(0);
    });

    it("tells of each transaction", async () => {
      const told: [number, unknown][] = [];
      dataplane.onTransaction((tookMs, error) => told.push([tookMs, error]));
      await dataplane.createGroup(groupSpec("a")).activate();
      expect(told.length).toBeGreaterThan(0);
      for (const [tookMs, error] of told) {
        expect(tookMs).toBeGreaterThanOrEqual(0);
        expect(error).toBeUndefined();
      }
    });

    it("tells nothing before commit(), and nothing after close()", async () => {
      await harness.close();
      harness = await open({ wildcardOverlap: "refuse", committed: false });
      harness.dataplane.createGroup(groupSpec("a"));
      expect((await harness.dataplane.traffic()).beganTo("tcp", ENDPOINT)).toBe(0);
      await harness.dataplane.close();
      for (const attempt of [() => harness.dataplane.traffic(), () => harness.dataplane.eachFlow(() => undefined)])
        await expect(attempt()).rejects.toMatchObject({ code: "DATAPLANE_CLOSED" });
    });
  });
}
