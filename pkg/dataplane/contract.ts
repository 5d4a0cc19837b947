import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { paced } from "../../test/pace.ts";
import { hasCode } from "../fault/fault.ts";
import { parseAddrPort } from "../value/addr-port.ts";
import { parseCidr } from "../value/cidr.ts";
import {
  type DataplaneHarness,
  ELSEWHERE,
  ENDPOINT,
  ENDPOINT6,
  groupSpec,
  type HarnessOptions,
  LISTEN,
  LISTEN6,
  mappingSpec,
  OTHER,
  untilHeld,
  WILDCARD,
} from "./contract-given.ts";
import type { Dataplane, HeldFlow, MappingSpec } from "./dataplane.ts";
import { observeContract } from "./observe-contract.ts";
import { shareContract } from "./share-contract.ts";

/** What every implementation of Dataplane must do. Addresses are loopback ones of a network namespace made for the test. */
export function dataplaneContract(name: string, open: (options: HarnessOptions) => Promise<DataplaneHarness>): void {
  describe(`${name}: dataplane contract`, () => {
    let harness: DataplaneHarness;
    let dataplane: Dataplane;

    beforeEach(async () => {
      harness = await open({ wildcardOverlap: "refuse" });
      dataplane = harness.dataplane;
    });
    afterEach(async () => {
      await harness.close();
    });

    it("takes flows exactly while the mapping is enabled and its group active", async () => {
      const group = dataplane.createGroup(groupSpec("a"));
      const mapping = group.createMapping(mappingSpec("front"));
      expect(await harness.send("tcp", LISTEN)).toBeUndefined();
      await mapping.enable();
      expect(await harness.send("tcp", LISTEN)).toBeUndefined();
      await group.activate();
      expect(await harness.send("tcp", LISTEN)).toBe("127.0.0.2:8080");
      expect(await harness.send("tcp", ELSEWHERE)).toBeUndefined();
      await group.deactivate();
      expect(await harness.send("tcp", LISTEN)).toBeUndefined();
      await group.activate();
      expect(await harness.send("tcp", LISTEN)).toBe("127.0.0.2:8080");
      await mapping.disable();
      expect(await harness.send("tcp", LISTEN)).toBeUndefined();
    });

    it("takes UDP and IPv6", async () => {
      const udp = dataplane.createGroup(groupSpec("udp", "udp"));
      await udp.createMapping(mappingSpec("udp", LISTEN, ENDPOINT, "udp")).enable();
      await udp.activate();
      const six = dataplane.createGroup(groupSpec("six", "tcp", ENDPOINT6));
      await six.createMapping(mappingSpec("six", LISTEN6, ENDPOINT6)).enable();
      await six.activate();
      expect(await harness.send("udp", LISTEN)).toBe("127.0.0.2:8080");
      expect(await harness.send("tcp", LISTEN)).toBeUndefined();
      expect(await harness.send("tcp", LISTEN6)).toBe("[::1]:8080");
    });

    it("takes a wildcard on every address of the machine, of its family only", async () => {
      const group = dataplane.createGroup(groupSpec("a"));
      await group.createMapping(mappingSpec("front", WILDCARD)).enable();
      await group.activate();
      expect(await harness.send("tcp", LISTEN)).toBe("127.0.0.2:8080");
      expect(await harness.send("tcp", ELSEWHERE)).toBe("127.0.0.2:8080");
      expect(await harness.send("tcp", LISTEN6)).toBeUndefined();
    });

    it("keeps groups apart, and serves several mappings of one", async () => {
      const [a, b] = [dataplane.createGroup(groupSpec("a")), dataplane.createGroup(groupSpec("b", "tcp", OTHER))];
      const mappings = [
        a.createMapping(mappingSpec("a1")),
        a.createMapping(mappingSpec("a2", parseAddrPort("127.0.0.10:81"))),
        b.createMapping(mappingSpec("b", ELSEWHERE, OTHER)),
      ];
      await Promise.all([...mappings.map((each) => each.enable()), a.activate(), b.activate()]);
      expect(await harness.send("tcp", LISTEN)).toBe("127.0.0.2:8080");
      expect(await harness.send("tcp", parseAddrPort("127.0.0.10:81"))).toBe("127.0.0.2:8080");
      expect(await harness.send("tcp", ELSEWHERE)).toBe("127.0.0.3:8080");
      await a.deactivate();
      expect(await harness.send("tcp", LISTEN)).toBeUndefined();
      expect(await harness.send("tcp", ELSEWHERE)).toBe("127.0.0.3:8080");
    });

    it("refuses names and listen addresses that are taken, and frees them at close", async () => {
      const group = dataplane.createGroup(groupSpec("a"));
      const mapping = group.createMapping(mappingSpec("front"));
      const refused = (spec: MappingSpec, code: string): void => {
        expect(() => group.createMapping(spec)).toThrow(expect.objectContaining({ code }) as Error);
      };
      refused(mappingSpec("front", ELSEWHERE), "MAPPING_EXISTS");
      refused(mappingSpec("other"), "MAPPING_OVERLAPS");
      refused(mappingSpec("other", WILDCARD), "MAPPING_OVERLAPS");
      group.createMapping(mappingSpec("udp", LISTEN, ENDPOINT, "udp"));
      await mapping.close();
      await mapping.close();
      group.createMapping(mappingSpec("other"));
      await group.close();
      await group.close();
      const again = dataplane.createGroup(groupSpec("a"));
      again.createMapping(mappingSpec("front"));
    });

    it("may let a specific address win over a wildcard", async () => {
      await harness.close();
      harness = await open({ wildcardOverlap: "specific-wins" });
      const a = harness.dataplane.createGroup(groupSpec("a"));
      const b = harness.dataplane.createGroup(groupSpec("b", "tcp", OTHER));
      await a.createMapping(mappingSpec("wild", WILDCARD)).enable();
      await b.createMapping(mappingSpec("specific", LISTEN, OTHER)).enable();
      await Promise.all([a.activate(), b.activate()]);
      expect(await harness.send("tcp", LISTEN)).toBe("127.0.0.3:8080");
      expect(await harness.send("tcp", ELSEWHERE)).toBe("127.0.0.2:8080");
    });

    it("knows the time of the last packet, in either state of the group", async () => {
      const group = dataplane.createGroup(groupSpec("a"));
      await group.createMapping(mappingSpec("front")).enable();
      await group.activate();
      expect(await group.quietFor()).toBeUndefined();
      await harness.send("tcp", LISTEN);
      expect(await group.quietFor()).toBeLessThan(paced(150));
      await harness.wait(300);
      const quiet = await group.quietFor();
      expect(quiet).toBeGreaterThanOrEqual(280);
      expect(quiet).toBeLessThan(paced(600));
      await group.deactivate();
      await harness.traffic();
      expect(await group.quietFor()).toBeLessThan(paced(150));
    });

    it("counts the flows that are alive, and cuts them", async () => {
      const group = dataplane.createGroup(groupSpec("a", "udp"));
      const spec = { ...mappingSpec("front", LISTEN, ENDPOINT, "udp"), flowTimeoutMs: 2000 };
      await group.createMapping(spec).enable();
      await group.activate();
      expect(await group.flows()).toEqual({ count: 0, longestMs: 0 });
      await harness.send("udp", LISTEN);
      await harness.send("udp", LISTEN);
      const flows = await group.flows();
      expect(flows.count).toBe(2);
      expect(flows.longestMs).toBeGreaterThanOrEqual(1000);
      expect(flows.longestMs).toBeLessThanOrEqual(2000);
      await harness.wait(3100);
      expect(await group.flows()).toEqual({ count: 0, longestMs: 0 });
      await harness.send("udp", LISTEN);
      await group.cutFlows();
      await group.cutFlows();
      expect(await group.flows()).toEqual({ count: 0, longestMs: 0 });
    });

    it("holds new flows of a cold group until it is activated, and tells of each once", async () => {
      const sources: string[] = [];
      const group = dataplane.createGroup(groupSpec("a"));
      const held = {
        ...mappingSpec("front"),
        whenCold: "hold" as const,
        onHeld: ({ source }: HeldFlow) => sources.push(source.address),
      };
      const mapping = group.createMapping(held);
      await mapping.enable();
      const answers = [harness.send("tcp", LISTEN, "127.0.0.21"), harness.send("tcp", LISTEN, "127.0.0.22")];
      await untilHeld(group, 2);
      expect(sources).toEqual(["127.0.0.21", "127.0.0.22"]);
      expect(mapping.held).toBe(2);
      await group.activate();
      expect(await Promise.all(answers)).toEqual(["127.0.0.2:8080", "127.0.0.2:8080"]);
      expect(group.held).toBe(0);
      expect(await harness.send("tcp", LISTEN)).toBe("127.0.0.2:8080");
      expect(sources).toHaveLength(2);
      await group.deactivate();
      const again = harness.send("tcp", LISTEN);
      await untilHeld(group, 1);
      await group.activate();
      expect(await again).toBe("127.0.0.2:8080");
      expect(await mapping.counters()).toMatchObject({ held: 3, timedOut: 0, overflowed: 0 });
    });

    it("holds UDP and IPv6", async () => {
      const udp = dataplane.createGroup(groupSpec("udp", "udp"));
      await udp.createMapping({ ...mappingSpec("udp", LISTEN, ENDPOINT, "udp"), whenCold: "hold" }).enable();
      const six = dataplane.createGroup(groupSpec("six", "tcp", ENDPOINT6));
      await six.createMapping({ ...mappingSpec("six", LISTEN6, ENDPOINT6), whenCold: "hold" }).enable();
      const answers = [harness.send("udp", LISTEN), harness.send("tcp", LISTEN6)];
      await Promise.all([untilHeld(udp, 1), untilHeld(six, 1)]);
      await Promise.all([udp.activate(), six.activate()]);
      expect(await Promise.all(answers)).toEqual(["127.0.0.2:8080", "[::1]:8080"]);
    });

    it("holds for a mapping that is made while the group is being deactivated", async () => {
      const group = dataplane.createGroup(groupSpec("a"));
      await group.activate();
      const deactivated = group.deactivate();
      const mapping = group.createMapping({ ...mappingSpec("front"), whenCold: "hold" });
      await Promise.all([deactivated, mapping.enable()]);
      const answer = harness.send("tcp", LISTEN);
      await untilHeld(group, 1);
      await group.activate();
      expect(await answer).toBe("127.0.0.2:8080");
    });

    it("refuses what is held when told to, when it was held too long, and where its kind says so", async () => {
      const group = dataplane.createGroup(groupSpec("a"));
      await group.createMapping({ ...mappingSpec("front"), whenCold: "hold", hold: { timeoutMs: 300, maxFlows: 10 } }).enable();
      await group.createMapping({ ...mappingSpec("refusing", ELSEWHERE), whenCold: "refuse" }).enable();
      const told = harness.send("tcp", LISTEN);
      await untilHeld(group, 1);
      group.refuseHeld();
      expect(await told).toBeUndefined();
      const tooLong = harness.send("tcp", LISTEN);
      await untilHeld(group, 1);
      await harness.wait(400);
      expect(await tooLong).toBeUndefined();
      expect(await harness.send("tcp", ELSEWHERE)).toBeUndefined();
    });

    it("turns away by source address, and counts it", async () => {
      const group = dataplane.createGroup(groupSpec("a"));
      const gates = {
        allow: [parseCidr("127.0.0.0/28")],
        deny: [parseCidr("127.0.0.4/32")],
        ignore: [parseCidr("127.0.0.5/32")],
      };
      const mapping = group.createMapping({ ...mappingSpec("front", LISTEN, ENDPOINT, "udp"), whenCold: "hold", gates });
      await mapping.enable();
      for (const turnedAway of ["127.0.0.30", "127.0.0.4", "127.0.0.5"]) {
        expect(await harness.send("udp", LISTEN, turnedAway)).toBeUndefined();
      }
      expect(group.held).toBe(0);
      expect(await mapping.counters()).toMatchObject({ denied: 2, ignored: 1, held: 0 });
      await group.activate();
      expect(await harness.send("udp", LISTEN, "127.0.0.30")).toBeUndefined();
      expect(await group.quietFor()).toBeUndefined();
    });

    it("serves those to be ignored while the group is active, without counting them as use", async () => {
      const group = dataplane.createGroup(groupSpec("a"));
      const gates = { allow: [], deny: [], ignore: [parseCidr("127.0.0.5")] };
      await group.createMapping({ ...mappingSpec("front"), whenCold: "hold", gates }).enable();
      await group.activate();
      expect(await harness.send("tcp", LISTEN, "127.0.0.5")).toBe("127.0.0.2:8080");
      expect(await group.quietFor()).toBeUndefined();
      expect(await group.flows()).toEqual({ count: 0, longestMs: 0 });
      expect(await harness.send("tcp", LISTEN, "127.0.0.6")).toBe("127.0.0.2:8080");
      expect((await group.flows()).count).toBe(1);
    });

    it("is idempotent where it says so", async () => {
      const group = dataplane.createGroup(groupSpec("a"));
      const mapping = group.createMapping(mappingSpec("front"));
      await Promise.all([mapping.enable(), mapping.enable(), group.activate(), group.activate()]);
      expect(await harness.send("tcp", LISTEN)).toBe("127.0.0.2:8080");
      await Promise.all([mapping.disable(), mapping.disable(), group.deactivate(), group.deactivate()]);
      expect(await harness.send("tcp", LISTEN)).toBeUndefined();
    });

    it("survives changes in any order at once", async () => {
      const group = dataplane.createGroup(groupSpec("a"));
      const mapping = group.createMapping(mappingSpec("front"));
      await Promise.all([
        mapping.enable(),
        group.activate(),
        mapping.disable(),
        group.deactivate(),
        group.activate(),
        mapping.enable(),
      ]);
      expect(await harness.send("tcp", LISTEN)).toBe("127.0.0.2:8080");
    });

    it("refuses work after close", async () => {
      const group = dataplane.createGroup(groupSpec("a"));
      const mapping = group.createMapping(mappingSpec("front"));
      await group.close();
      const closed = (error: unknown): boolean => hasCode(error, "DATAPLANE_CLOSED");
      for (const attempt of [() => mapping.enable(), () => group.activate(), () => group.quietFor(), () => group.flows()]) {
        await expect(attempt()).rejects.toSatisfy(closed);
      }
      expect(() => group.createMapping(mappingSpec("other"))).toThrow(
        expect.objectContaining({ code: "DATAPLANE_CLOSED" }) as Error,
      );
      await dataplane.close();
      await dataplane.close();
      expect(() => dataplane.createGroup(groupSpec("b"))).toThrow(expect.objectContaining({ code: "DATAPLANE_CLOSED" }) as Error);
    });

    it("brings into force with commit() what was asked for before", async () => {
      await harness.close();
      harness = await open({ wildcardOverlap: "refuse", committed: false });
      const group = harness.dataplane.createGroup(groupSpec("a"));
      const done: string[] = [];
      const asked = [group.createMapping(mappingSpec("front")).enable(), group.activate()].map((each) =>
        each.then(() => done.push("done")),
      );
      await harness.wait(50);
      expect(done).toEqual([]);
      expect(await harness.send("tcp", LISTEN)).toBeUndefined();
      await harness.dataplane.commit();
      await Promise.all(asked);
      expect(await harness.send("tcp", LISTEN)).toBe("127.0.0.2:8080");
    });

    it("fails what was asked for when it is closed before commit()", async () => {
      await harness.close();
      harness = await open({ wildcardOverlap: "refuse", committed: false });
      const asked = harness.dataplane.createGroup(groupSpec("a")).activate();
      const refused = expect(asked).rejects.toMatchObject({ code: "DATAPLANE_CLOSED" });
      await harness.dataplane.close();
      await refused;
    });

    it("gives what is held to the mapping that takes over the address in the same turn", async () => {
      const sources: string[] = [];
      const onHeld = ({ source }: HeldFlow): unknown => sources.push(source.address);
      const [a, b] = [dataplane.createGroup(groupSpec("a")), dataplane.createGroup(groupSpec("b", "tcp", OTHER))];
      const former = a.createMapping({ ...mappingSpec("front"), whenCold: "hold" });
      await former.enable();
      const answers = [harness.send("tcp", LISTEN, "127.0.0.21"), harness.send("tcp", LISTEN, "127.0.0.22")];
      await untilHeld(a, 2);
      const closed = former.close();
      const next = b.createMapping({ ...mappingSpec("front", LISTEN, OTHER), whenCold: "hold", onHeld });
      await Promise.all([closed, next.enable()]);
      expect([a.held, b.held, sources]).toEqual([0, 2, ["127.0.0.21", "127.0.0.22"]]);
      await b.activate();
      expect(await Promise.all(answers)).toEqual(["127.0.0.3:8080", "127.0.0.3:8080"]);
      await a.close();
      expect(await harness.send("tcp", LISTEN)).toBe("127.0.0.3:8080");
    });

    it("exchanges the addresses of two mappings", async () => {
      const [a, b] = [dataplane.createGroup(groupSpec("a")), dataplane.createGroup(groupSpec("b", "tcp", OTHER))];
      const [one, two] = [a.createMapping(mappingSpec("one")), b.createMapping(mappingSpec("two", ELSEWHERE, OTHER))];
      await Promise.all([one.enable(), two.enable(), a.activate(), b.activate()]);
      const closed = [one.close(), two.close()];
      const opened = [
        a.createMapping(mappingSpec("one", ELSEWHERE)).enable(),
        b.createMapping(mappingSpec("two", LISTEN, OTHER)).enable(),
      ];
      await Promise.all([...closed, ...opened]);
      expect(await harness.send("tcp", LISTEN)).toBe("127.0.0.3:8080");
      expect(await harness.send("tcp", ELSEWHERE)).toBe("127.0.0.2:8080");
    });
  });
  observeContract(name, open);
  shareContract(name, open);
}
