import { describe, expect, it } from "vitest";
import { CONFIG } from "../../test/fixture/engine.ts";
import { FRONTEND_CONFIG } from "../../test/fixture/frontend.ts";
import type { Config, FrontendConfig, TargetConfig } from "../config/types.ts";
import { TARGET_CONFIG } from "../target/open-target.ts";
import { parseAddrPort } from "../value/addr-port.ts";
import { parseCidr } from "../value/cidr.ts";
import { difference, needsRestart } from "./difference.ts";

const OTHER = parseAddrPort("127.0.0.1:9090");
const [ROUTE] = FRONTEND_CONFIG.routes;
const LISTEN = ROUTE?.listen ?? OTHER;
const ENDPOINT = ROUTE?.endpoint ?? OTHER;

describe("difference", () => {
  it("tells what was added, removed, changed and left as it is, each in the order of its file", () => {
    const named = (name: string, options: unknown = {}): TargetConfig => ({ ...TARGET_CONFIG, name, options });
    const before = ["gone", "same", "other", "gone too"].map((name) => named(name));
    const after = [named("new"), named("other", { a: 1 }), named("same"), named("newer")];
    const found = difference(before, after);
    expect(found.added.map(({ name }) => name)).toEqual(["new", "newer"]);
    expect(found.removed.map(({ name }) => name)).toEqual(["gone", "gone too"]);
    expect(found.changed).toEqual([{ before: before[2], after: after[1], fields: ["options"] }]);
    expect(found.same).toEqual([after[2]]);
  });

  it("finds nothing between a file and itself, read twice", () => {
    const { added, removed, changed, same } = difference([FRONTEND_CONFIG], [structuredClone(FRONTEND_CONFIG)]);
    expect([added, removed, changed, same]).toEqual([[], [], [], [FRONTEND_CONFIG]]);
  });

  it.each<[Partial<TargetConfig>, string[]]>([
    [{ idleTimeoutMs: 1 }, ["idle_timeout"]],
    [{ ready: { probe: { kind: "tcp" }, timeoutMs: 1 } }, ["ready"]],
    [{ endpoints: [] }, ["endpoints"]],
    [{ kind: { namespace: "static", name: "none" }, options: undefined }, ["kind", "options"]],
  ])("calls a target's fields what the file calls them, case %#", (change, fields) => {
    expect(difference([TARGET_CONFIG], [{ ...TARGET_CONFIG, ...change }]).changed[0]?.fields).toEqual(fields);
  });

  it.each<[Partial<FrontendConfig>, string[]]>([
    [{ flowTimeoutMs: 1 }, ["flow_timeout"]],
    [{ masquerade: "always" }, ["masquerade"]],
    [{ protocol: "udp" }, ["protocol"]],
    [{ hold: { timeoutMs: 1, maxFlows: 1 } }, ["hold"]],
    [{ routes: [{ listen: OTHER, endpoint: ENDPOINT }] }, ["listen"]],
    [{ target: "other" }, ["target"]],
    [{ endpoint: "other" }, ["target"]],
    [{ target: "other", endpoint: "other" }, ["target"]],
    // where an address leads is the target's affair, unless nothing else tells
    [{ target: "other", routes: [{ listen: LISTEN, endpoint: OTHER }] }, ["target"]],
    [{ target: "other", routes: [{ listen: OTHER, endpoint: OTHER }] }, ["listen", "target"]],
    [{ routes: [{ listen: LISTEN, endpoint: OTHER }] }, ["listen"]],
    [{ kind: { namespace: "test", name: "holding" }, whenCold: "hold" }, ["kind"]],
    [{ gates: { allow: [parseCidr("192.0.2.0/24")], deny: [], ignore: [] } }, ["allow"]],
    [{ gates: { allow: [], deny: [parseCidr("192.0.2.1")], ignore: [parseCidr("192.0.2.2")] } }, ["deny", "ignore"]],
    [{ gates: { ...FRONTEND_CONFIG.gates, wakeLimit: { count: 1, perMs: 1 } } }, ["wake_limit"]],
    [{ gates: { ...FRONTEND_CONFIG.gates, wakeLimit: { count: 1, perMs: 1 } }, options: 1 }, ["options", "wake_limit"]],
  ])("calls a frontend's fields what the file calls them, case %#", (change, fields) => {
    const found = difference([FRONTEND_CONFIG], [{ ...FRONTEND_CONFIG, ...change }]).changed[0]?.fields;
    expect([...(found ?? [])].sort()).toEqual(fields);
  });

  it("names a field that was taken away", () => {
    const limited = { ...FRONTEND_CONFIG, gates: { ...FRONTEND_CONFIG.gates, wakeLimit: { count: 1, perMs: 1 } } };
    expect(difference([limited], [FRONTEND_CONFIG]).changed[0]?.fields).toEqual(["wake_limit"]);
  });
});

describe("needsRestart", () => {
  it.each<[Partial<Config>, string[]]>([
    [{}, []],
    [{ targets: [], frontends: [], onShutdown: "keep", log: { output: "stdout", level: 4, format: "json" } }, []],
    [{ dataplane: { ...CONFIG.dataplane, queue: 77 } }, ["dataplane"]],
    [{ dataplane: structuredClone(CONFIG.dataplane) }, []],
    [{ runtimeDir: "/other" }, ["runtime_dir"]],
    [{ plugins: new Map([["test", { key: "other" }]]) }, ["plugins.test"]],
    [{ plugins: new Map([["test", { key: "value" }]]) }, []],
    [{ plugins: new Map<string, unknown>([["ctl", {}]]) }, ["plugins.test", "plugins.ctl"]],
    [
      { dataplane: { ...CONFIG.dataplane, table: "x" }, runtimeDir: "/other", plugins: new Map() },
      ["dataplane", "runtime_dir", "plugins.test"],
    ],
  ])("names what is taken over at a start only, case %#", (change, fields) => {
    expect(needsRestart(CONFIG, { ...CONFIG, ...change })).toEqual(fields);
  });
});
