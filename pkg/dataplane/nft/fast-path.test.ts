import { describe, expect, it } from "vitest";
import type { MappingSpec } from "../dataplane.ts";
import { fastDeviceLine, fastPathChains, fastPathSets, isFast } from "./fast-path.ts";
import { addPartLines } from "./table-part.ts";

const DEVICES = [
  { name: "eth0", number: 1 },
  { name: "eth0.7", number: 2 },
];

describe("the fast path's text", () => {
  it("is declared before the rules that use it, and has no empty list of interfaces", () => {
    const lines = addPartLines("t", [...fastPathSets([]), ...fastPathChains([])]);
    const flowtable = lines.indexOf("add flowtable inet t fast {\nhook ingress priority 0;\n}");
    expect(flowtable).toBeGreaterThanOrEqual(0);
    const rules = lines.filter((line) => line.endsWith("flow add @fast"));
    expect(rules).toHaveLength(4);
    expect(Math.min(...rules.map((rule) => lines.indexOf(rule)))).toBeGreaterThan(flowtable);
    expect(lines.join()).not.toContain("ingress_");
  });

  it("counts what comes from endpoints before the flowtable takes it, at each interface", () => {
    expect(fastPathSets(DEVICES).at(-1)?.body).toEqual(["hook ingress priority 0;", 'devices = { "eth0", "eth0.7" };']);
    const chains = fastPathChains(DEVICES).filter(({ name }) => name.startsWith("ingress_"));
    expect(chains.map(({ name, body, rules }) => [name, body[0], ...rules])).toEqual([
      ["ingress_1", 'type filter hook ingress device "eth0" priority -10; policy accept;', "goto fast_clock"],
      ["ingress_2", 'type filter hook ingress device "eth0.7" priority -10; policy accept;', "goto fast_clock"],
    ]);
    expect(fastPathChains([])[0]?.rules[0]).toBe(
      "meta l4proto tcp meta l4proto . ip saddr . th sport @fast4 update @active4 { meta l4proto . ip saddr . th sport }",
    );
    expect(fastDeviceLine("t", { name: "x", number: 3 })).toContain('devices = { "x" };');
  });

  it("is for TCP, within the kernel's own timeout, where the clock counts all clients", () => {
    const spec = { protocol: "tcp", flowTimeoutMs: 5000, gates: { ignore: [] } } as unknown as MappingSpec;
    const ignore = [{ family: "ipv4", address: "192.0.2.1", bits: 32 }] as unknown as MappingSpec["gates"]["ignore"];
    expect(isFast(spec, 5000)).toBe(true);
    expect(isFast({ ...spec, flowTimeoutMs: 5001 }, 5000)).toBe(false);
    expect(isFast({ ...spec, protocol: "udp" }, 5000)).toBe(false);
    expect(isFast({ ...spec, gates: { ...spec.gates, ignore } }, 5000)).toBe(false);
  });
});
