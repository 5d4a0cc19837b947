import { describe, expect, it } from "vitest";
import { parseAddrPort } from "../../value/addr-port.ts";
import { parseCidr } from "../../value/cidr.ts";
import type { MappingSpec } from "../dataplane.ts";
import { mappingElements, nftRate, timeoutSeconds } from "./elements.ts";
import { TableContent } from "./table-content.ts";

const SPEC: MappingSpec = {
  name: "front",
  protocol: "tcp",
  routes: [
    { listen: parseAddrPort("0.0.0.0:80"), endpoint: parseAddrPort("10.0.0.1:8080") },
    { listen: parseAddrPort("[2001:db8::1]:80"), endpoint: parseAddrPort("[2001:db8::2]:8080") },
  ],
  flowTimeoutMs: 60_000,
  masquerade: "auto",
  whenCold: "hold",
  hold: { timeoutMs: 30_000, maxFlows: 1024 },
  gates: { allow: [], deny: [], ignore: [] },
};

function sets(spec: MappingSpec, active: boolean): string[] {
  return mappingElements(spec, active).map(({ set, key, value }) => `${set} ${key}${value === undefined ? "" : ` : ${value}`}`);
}

describe("mappingElements", () => {
  it("has its way to the endpoint in the table also while packets are held", () => {
    expect(sets(SPEC, true)).toEqual([
      "mapped_any4 tcp . 80",
      "dnat_any4 tcp . 80 : 10.0.0.1 . 8080",
      "timeout_any4 tcp . 80 : goto flow_60s",
      "exact6 tcp . 2001:db8::1 . 80",
      "mapped6 tcp . 2001:db8::1 . 80",
      "dnat6 tcp . 2001:db8::1 . 80 : 2001:db8::2 . 8080",
      "timeout6 tcp . 2001:db8::1 . 80 : goto flow_60s",
    ]);
    const added = sets(SPEC, false).filter((each) => !sets(SPEC, true).includes(each));
    expect(added).toEqual(["hold_any4 tcp . 80", "hold6 tcp . 2001:db8::1 . 80"]);
  });

  it("has nothing in the table for what is as usual", () => {
    const special = (spec: MappingSpec): string[] => sets(spec, true).filter((each) => /^(timeout|masquerade)_any4/.test(each));
    expect(special({ ...SPEC, flowTimeoutMs: 300_000 })).toEqual([]);
    expect(special({ ...SPEC, flowTimeoutMs: 299_000, masquerade: "never" })).toEqual([
      "timeout_any4 tcp . 80 : goto flow_299s",
      "masquerade_any4 tcp . 80 : accept",
    ]);
    expect(special({ ...SPEC, flowTimeoutMs: 300_000, masquerade: "always" })).toEqual([
      "masquerade_any4 tcp . 80 : goto masquerade_always",
    ]);
  });

  it("takes nothing while cold where packets are to pass", () => {
    expect(sets({ ...SPEC, whenCold: "pass" }, false)).toEqual(["exact6 tcp . 2001:db8::1 . 80"]);
  });

  it("writes gates as ranges of source addresses, per family", () => {
    const gates = { allow: [parseCidr("10.0.0.0/8")], deny: [parseCidr("10.0.0.7")], ignore: [parseCidr("10.1.0.0/16")] };
    expect(sets({ ...SPEC, gates }, true).filter((each) => !/^(dnat|timeout|masquerade|mapped|exact)/.test(each))).toEqual([
      "deny_any4 tcp . 80 . 0.0.0.0-9.255.255.255",
      "deny_any4 tcp . 80 . 10.0.0.7",
      "deny_any4 tcp . 80 . 11.0.0.0-255.255.255.255",
      "ignore_any4 tcp . 80 . 10.1.0.0-10.1.255.255",
      "denied_any4 tcp . 80",
      "ignored_any4 tcp . 80",
      "deny6 tcp . 2001:db8::1 . 80 . ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
      "denied6 tcp . 2001:db8::1 . 80",
      "ignored6 tcp . 2001:db8::1 . 80",
    ]);
  });

  it("rounds flow timeouts up to the kernel's seconds", () => {
    expect([1, 1000, 1001, 300_000].map(timeoutSeconds)).toEqual([1, 1, 2, 300]);
  });

  it.each([
    [5, 60_000, "5/minute"],
    [3, 10_000, "18/minute"],
    [1, 1000, "1/second"],
    [2, 2000, "1/second"],
    [5, 7000, "432000/week"],
    [1, 3_600_000, "1/hour"],
    [1, 604_800_000 * 2, "1/week"],
  ])("writes %i per %i ms as %s", (count, perMs, rate) => {
    expect(nftRate({ count, perMs })).toBe(rate);
  });
});

describe("TableContent", () => {
  it("adds an element for its first user and deletes it after its last", () => {
    const content = new TableContent("t");
    const element = { set: "endpoint4", key: "tcp . 10.0.0.1 . 80" };
    expect(content.replace([], [element])).toMatchObject({ deleted: [], added: [element] });
    expect(content.replace([], [element])).toMatchObject({ deleted: [], added: [] });
    expect(content.replace([element], [])).toMatchObject({ deleted: [], added: [] });
    const last = content.replace([element], []);
    expect(last).toMatchObject({ deleted: [element], added: [] });
    last.undo();
    expect(content.replace([element], [])).toMatchObject({ deleted: [element], added: [] });
  });

  it("leaves alone what stays", () => {
    const content = new TableContent("t");
    const stays = { set: "dnat4", key: "tcp . 10.0.0.1 . 80", value: "10.0.0.2 . 80" };
    const before = [{ set: "dnat4", key: "tcp . 10.0.0.1 . 81", value: "10.0.0.2 . 80" }, stays];
    content.replace([], before);
    const after = [stays, { set: "dnat4", key: "tcp . 10.0.0.1 . 81", value: "10.0.0.3 . 80" }];
    expect(content.replace(before, after)).toMatchObject({ deleted: [before[0]], added: [after[1]] });
  });

  it("has specific addresses in exact once there is a wildcard of their family", () => {
    const content = new TableContent("t");
    const exact = (at: number): { set: string; key: string } => ({ set: "exact4", key: `tcp . 10.0.0.1 . ${at}` });
    const shown = (): string[] => [...content.elementsOf("exact4")].map(({ key }) => key);
    expect(content.replace([], [exact(1), exact(2)])).toMatchObject({ deleted: [], added: [] });
    expect(content.replace([exact(2)], [])).toMatchObject({ deleted: [], added: [] });
    const [, specific] = SPEC.routes;
    expect(content.needExact({ ...SPEC, routes: specific === undefined ? [] : [specific] })).not.toHaveProperty("added");
    expect([shown(), content.elementLines()]).toEqual([[], []]);
    const awake = content.needExact(SPEC);
    expect(awake.added).toEqual([exact(1)]);
    expect(content.elementLines()).toEqual(["add element inet t exact4 { tcp . 10.0.0.1 . 1 }"]);
    expect(content.needExact(SPEC)).not.toHaveProperty("added");
    expect(content.replace([exact(1)], [exact(3)])).toMatchObject({ deleted: [exact(1)], added: [exact(3)] });
    expect(shown()).toEqual(["tcp . 10.0.0.1 . 3"]);
    awake.undo();
    expect(content.replace([exact(3)], [exact(4)])).toMatchObject({ deleted: [], added: [] });
    expect([shown(), content.needExact(SPEC).added]).toEqual([[], [exact(4)]]);
  });

  it("makes each chain once, again after an undo", () => {
    const content = new TableContent("t");
    const limited = { ...SPEC, gates: { ...SPEC.gates, wakeLimit: { count: 5, perMs: 60_000 } } };
    const first = content.needChains(limited);
    expect(first.lines?.filter((line) => line.startsWith("add chain"))).toEqual([
      "add chain inet t flow_60s",
      "add chain inet t limit_5_per_60000ms",
    ]);
    expect(content.needChains(limited).lines).toEqual([]);
    first.undo();
    expect(content.needChains(limited).lines).toEqual(first.lines);
  });
});
