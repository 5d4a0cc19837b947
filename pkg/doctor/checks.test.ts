/** The checks that are short: each finding, and what is none. */
import { describe, expect, it } from "vitest";
import { Fault } from "../fault/fault.ts";
import { fileFindings } from "./check-files.ts";
import { networkFindings } from "./check-network.ts";
import { type OwnerFacts, ownerFindings, runningDaemon } from "./check-owners.ts";
import { portFindings } from "./check-ports.ts";
import { sysctlFindings } from "./check-sysctls.ts";
import { type SystemFacts, systemFindings } from "./check-system.ts";
import { unitFindings } from "./check-unit.ts";
import { configOf, isLocal, network } from "../../test/fixture/machine.ts";
import type { Network } from "./network.ts";
import type { Socket } from "./sockets.ts";

const contains = (text: string): string => expect.stringContaining(text) as string;
const HERE = '  - { name: near, kind: "static:always", listen: 0.0.0.0:8088, target: here:http }';
const THERE = '  - { name: far, kind: "static:always", listen: 10.0.1.1:8089, target: there:http }';

describe("systemFindings", () => {
  const FACTS: SystemFacts = { lacks: [], queues: { value: true }, way: { value: "statement" }, flowtables: undefined };
  const run = (facts: Partial<SystemFacts>, more?: string): unknown[] =>
    systemFindings({ ...FACTS, ...facts }, more === undefined ? undefined : configOf(HERE, more));

  it("finds nothing wrong with a machine that has it all", () => {
    expect(run({})).toMatchObject([
      { id: "kernel-and-tools", severity: "ok" },
      { id: "hold-way", severity: "ok" },
    ]);
  });

  it.each<[string, string]>([
    ["PLATFORM_UNSUPPORTED", "platform"],
    ["PRIVILEGE_MISSING", "privileges"],
    ["TOOL_MISSING", "tool-missing"],
    ["NFT_TOO_OLD", "tool-too-old"],
    ["KERNEL_UNSUPPORTED", "kernel-feature"],
  ])("passes on what the probe misses: %s", (code, id) => {
    const lack = { code, what: "it is not there", remedy: "put it there" };
    expect(run({ lacks: [lack], way: undefined })).toEqual([{ id, severity: "error", what: lack.what, remedy: lack.remedy }]);
  });

  it("tells the way to hold packets, or that there is none", () => {
    expect(run({ way: { value: "mark" } })).toMatchObject([{}, { id: "hold-way", severity: "note" }]);
    const none = { way: { error: new Fault("HOLD_UNSUPPORTED", "x") } };
    expect(run(none)).toMatchObject([{}, { id: "hold-unsupported", severity: "error", remedy: contains("modprobe nft_queue") }]);
    const page = configOf(HERE.replace("always", "http"));
    expect(systemFindings({ ...FACTS, ...none }, page)).toMatchObject([{ id: "kernel-and-tools" }]);
  });

  it("says which module queues take, or that the program is not whole", () => {
    const queues = { error: new Fault("QUEUE_UNSUPPORTED", "no queues") };
    expect(run({ queues, way: undefined })).toMatchObject([
      {},
      { id: "queue-unavailable", remedy: contains("modprobe nfnetlink_queue") },
    ]);
    const native = { error: new Fault("FFI_UNAVAILABLE", "no koffi") };
    expect(run({ queues: native, way: undefined })).toMatchObject([{}, { remedy: contains("npm ci") }]);
  });

  it("wants flowtables only where they are", () => {
    const lacking = { flowtables: { error: new Fault("FASTPATH_UNSUPPORTED", "x") } };
    expect(run(lacking, "dataplane: { fastpath: on }")).toContainEqual(
      expect.objectContaining({ id: "flowtables", severity: "error" }),
    );
    expect(run({ flowtables: { value: false } }, "dataplane: { fastpath: auto }")).toContainEqual(
      expect.objectContaining({ id: "flowtables", severity: "note" }),
    );
    expect(run({ flowtables: { value: true } }, "")).toContainEqual(
      expect.objectContaining({ id: "flowtables", severity: "ok" }),
    );
  });
});

describe("sysctlFindings", () => {
  const setting = { key: "net/ipv4/ip_forward", value: "1", why: "a target on another machine needs IPv4 forwarding" };
  const run = (manages: boolean, isWritable: boolean): unknown[] =>
    sysctlFindings({ manages, lacking: [{ setting, isWritable }], conntrack: undefined });

  it("says what the daemon will set, or what it may not", () => {
    expect(run(true, true)).toMatchObject([{ id: "sysctl-will-be-set", severity: "note", where: "net.ipv4.ip_forward" }]);
    expect(run(false, true)).toMatchObject([
      { id: "sysctl-needed", severity: "error", remedy: "sysctl -w net.ipv4.ip_forward=1" },
    ]);
    expect(run(true, false)).toMatchObject([{ id: "sysctl-not-writable", severity: "error" }]);
  });

  it.each([
    [100, 1000, []],
    [800, 1000, ["warning"]],
    [1000, 1000, ["error"]],
    [1000, 0, []],
  ])("%d of %d connections", (count, max, severities) => {
    const found = sysctlFindings({ manages: true, lacking: [], conntrack: { count, max } });
    expect(found).toMatchObject(severities.map((severity) => ({ id: "conntrack-full", severity, remedy: contains("=2000") })));
    expect(found).toHaveLength(severities.length);
  });
});

describe("ownerFindings", () => {
  const run = (facts: Partial<OwnerFacts>, hasConfig = true): string[] =>
    ownerFindings(
      { table: undefined, queuePort: undefined, runtimeDir: undefined, ...facts },
      { table: "proxygw", queue: 4080 },
      hasConfig,
    ).map(({ id, severity }) => `${severity} ${id}`);

  it("tells the daemon of this configuration from others", () => {
    expect(run({})).toEqual([]);
    expect(run({ table: 7, queuePort: 7, runtimeDir: 7 })).toEqual(["note daemon-running"]);
    expect(run({ table: 7, queuePort: 7, runtimeDir: 8 })).toEqual(["error table-in-use", "error queue-in-use"]);
    expect(run({ table: 7 })).toEqual(["error table-in-use"]);
    expect(run({ runtimeDir: 8 })).toEqual(["error runtime-dir-in-use"]);
    expect(run({ queuePort: 7 })).toEqual(["error queue-in-use"]);
    expect(run({ table: "unknown", runtimeDir: 7 })).toEqual(["note daemon-running"]);
  });

  it("minds nobody where no configuration is asked about", () => {
    expect(run({ table: 7, queuePort: 7 }, false)).toEqual(["note daemon-running"]);
    expect(run({ queuePort: 7 }, false)).toEqual(["warning queue-in-use"]);
    expect(runningDaemon({ table: 7, queuePort: undefined, runtimeDir: undefined })).toBeUndefined();
  });
});

describe("portFindings", () => {
  const socket = (address: string, port: number, pid = 9): Socket => ({
    protocol: "tcp",
    at: { family: address.includes(":") ? "ipv6" : "ipv4", address, port },
    inode: "1",
    holders: [{ pid, name: "nginx" }],
  });
  const run = (frontends: string, sockets: Socket[], running?: number): string[] =>
    portFindings(configOf(frontends), {
      sockets,
      running,
      startsService: ({ name }) => name === "here",
      isLocal: () => true,
    }).map(({ id, severity, what }) => `${severity} ${id}: ${what}`);

  it("finds programs whose port a frontend takes over", () => {
    const [found] = run(HERE, [socket("0.0.0.0", 8088)]);
    expect(found).toMatch(
      /^warning listen-port-shadowed: nginx \(pid 9\) listens on 0\.0\.0\.0:8088; .* go to 127\.0\.0\.1:8080/,
    );
    expect(run(HERE, [socket("::", 8088)])).toHaveLength(1);
    expect(run(HERE, [socket("::1", 8088), socket("0.0.0.0", 8089), { ...socket("0.0.0.0", 8088), protocol: "udp" }])).toEqual(
      [],
    );
  });

  it("finds programs that keep a page from being served", () => {
    const page = HERE.replace("always", "http");
    expect(run(page, [socket("10.0.1.1", 8088)])[0]).toContain("error listen-port-in-use");
    // the daemon's own page
    expect(run(page, [socket("0.0.0.0", 8088)], 9)).toEqual([]);
    // perhaps the daemon's: this user cannot see
    expect(run(page, [{ ...socket("0.0.0.0", 8088), holders: [] }], 9)).toEqual([]);
    expect(run(page, [{ ...socket("0.0.0.0", 8088), holders: [] }])[0]).toContain("another process listens");
  });

  it("finds who listens in a service's place, unless the daemon runs", () => {
    expect(run(HERE, [socket("127.0.0.1", 8080)])[0]).toMatch(/^warning endpoint-in-use: nginx \(pid 9\)/);
    expect(run(HERE, [socket("127.0.0.1", 8080)], 5)).toEqual([]);
    expect(run(THERE, [socket("10.0.2.2", 80)])).toEqual([]);
  });

  it("takes the service for no other program, where it has the frontend's port", () => {
    expect(run(HERE.replace("8088", "8080"), [socket("0.0.0.0", 8080)], 5)).toEqual([]);
  });
});

describe("networkFindings", () => {
  const run = (frontend: string, changes: Partial<Network> = {}): unknown[] =>
    networkFindings(configOf(frontend), network(changes), isLocal);

  it("is content where packets come, go and come back", () => {
    expect(run(HERE)).toEqual([]);
    expect(run(THERE)).toEqual([]);
  });

  it("misses listen addresses", () => {
    const absent = HERE.replace("0.0.0.0", "203.0.113.9");
    expect(run(absent)).toMatchObject([{ id: "listen-address-absent", severity: "warning", remedy: contains("203.0.113.9/32") }]);
    expect(run(absent.replace("always", "http"))).toMatchObject([{ severity: "error" }]);
  });

  it("misses routes", () => {
    expect(run(THERE, { ways: new Map([["10.0.2.2", "none"]]) })).toMatchObject([
      { id: "no-route", severity: "error", where: contains("far") },
    ]);
    expect(run(THERE, { ways: new Map(), areRoutesKnown: false })).toEqual([]);
  });

  it("knows whose answers go past the gateway", () => {
    const inDmz = THERE.replace("10.0.1.1", "10.0.2.1").replace("target:", "masquerade: never, target:");
    expect(run(inDmz)).toMatchObject([{ id: "answers-past-gateway", severity: "warning", remedy: "masquerade: auto" }]);
    const oneArmed = { defaults: [{ family: "ipv4" as const, device: "dmz", gateway: "10.0.2.254" }] };
    expect(run(THERE, oneArmed)).toMatchObject([
      { id: "answers-past-gateway", severity: "note", what: contains("come in by lan") },
    ]);
    expect(run(THERE.replace("target:", "masquerade: always, target:"), oneArmed)).toEqual([]);
  });

  it("tells of strict source checks and of bridges", () => {
    expect(run(THERE, { strict: new Set(["lan"]) })).toMatchObject([
      { id: "strict-source-check", remedy: contains("conf.lan.rp_filter=2") },
    ]);
    expect(run(THERE, { strict: new Set(["wan", "dmz"]) })).toEqual([]);
    const bridge = { bridges: new Set(["dmz"]), bridgeCallsIptables: true };
    expect(run(THERE, bridge)).toMatchObject([{ id: "bridge-calls-iptables", severity: "note" }]);
    expect(run(THERE, { ...bridge, bridgeCallsIptables: false })).toEqual([]);
  });
});

describe("fileFindings", () => {
  const config = { log: { output: "/var/log/x/p.log", level: 0, format: "text" as const }, runtimeDir: "/run/p" };
  const none = { configFlaw: undefined, runtimeDirFlaw: undefined, runtimeDirTrouble: undefined, logTrouble: undefined };

  it("has a remedy for each", () => {
    expect(fileFindings("/etc/p.yaml", config, none)).toEqual([]);
    const facts = {
      configFlaw: "everybody can write to /etc, and so on; try: chmod o-w /etc",
      runtimeDirFlaw: { what: "everybody can write to /run", remedy: "chmod o-w /run" },
      runtimeDirTrouble: "no",
      logTrouble: "there is no directory /var/log/x",
    };
    expect(fileFindings("/etc/p.yaml", config, facts)).toMatchObject([
      { id: "config-untrusted", remedy: "chmod o-w /etc", where: "/etc/p.yaml" },
      { id: "runtime-dir-untrusted", remedy: "chmod o-w /run" },
      { id: "runtime-dir-unusable", where: "runtime_dir /run/p" },
      { id: "log-unwritable", remedy: contains("mkdir -p /var/log/x") },
    ]);
  });
});

describe("unitFindings", () => {
  const loaded = { LoadState: "loaded", ActiveState: "active", SubState: "running", UnitFileState: "enabled", Result: "success" };

  it.each([
    [undefined, []],
    [loaded, ["ok unit"]],
    [{ ...loaded, NeedDaemonReload: "yes" }, ["warning unit-changed", "ok unit"]],
    [{ ...loaded, ActiveState: "failed", Result: "exit-code" }, ["error unit"]],
    [{ ...loaded, ActiveState: "inactive", UnitFileState: "disabled" }, ["note unit"]],
    [{ LoadState: "not-found" }, ["note unit"]],
    [{ LoadState: "bad-setting" }, ["error unit"]],
  ])("%j", (facts, expected) => {
    expect(unitFindings(facts).map(({ id, severity }) => `${severity} ${id}`)).toEqual(expected);
  });
});
