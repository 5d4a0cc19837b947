import { describe, expect, it } from "vitest";
import { hasCode } from "../fault/fault.ts";
import type { AddrPort } from "../value/addr-port.ts";
import { problemsOf, shown, withFrontends } from "./fake-file.ts";
import { fakeRegistry } from "./fake-registry.ts";
import { parseConfig } from "./load.ts";
import type { Config } from "./types.ts";

const registry = fakeRegistry();

function parse(text: string): Config {
  return parseConfig(text, "test.yaml", registry);
}

function address(text: string, port: number): AddrPort {
  return { family: text.includes(":") ? "ipv6" : "ipv4", address: text, port };
}

describe("a valid file", () => {
  it("may hold nothing but the version", () => {
    expect(parse("version: v1\n")).toEqual({
      log: { output: "stderr", level: 0, format: "text" },
      dataplane: {
        table: "proxygw",
        queue: 4080,
        marks: { masquerade: 0x40000000, queue: 0x20000000, refuse: 0x10000000, ignore: 0x40000000 },
        manageSysctls: true,
        wildcardOverlap: "refuse",
        fastpath: "off",
      },
      runtimeDir: "/run/proxygw",
      onShutdown: "stop",
      plugins: new Map(),
      targets: [],
      frontends: [],
    });
  });

  it.each([
    ["off", "off"],
    ["auto", "auto"],
    ["on", "on"],
    ["flowtable", "on"],
  ])("may have the fast path %s", (text, fastpath) => {
    expect(parse(`version: v1\ndataplane: { fastpath: ${text} }\n`).dataplane.fastpath).toBe(fastpath);
  });

  it("takes a key without a value for a key left out", () => {
    const empty = "version: v1\nlog:\ndataplane: { table: ~ }\nruntime_dir:\nplugins:\ntargets:\nfrontends:\n";
    expect(parse(empty)).toEqual(parse("version: v1"));
    const text = withFrontends(
      "name: a, kind: static:always, listen: 10.0.0.1:80, protocol: ~, options: ~, target: backend:http",
    );
    expect(parse(text).frontends[0]).toMatchObject({ protocol: "tcp", options: {} });
  });

  it("is resolved: values parsed, defaults filled in, protocol taken from the endpoint, families matched", () => {
    const text = `
version: v1
log: { output: /var/log/x, level: debug-2, format: json }
dataplane: { table: gw2, queue: 7, masquerade_mark: 0x80000000, queue_mark: 1, refuse_mark: 2, ignore_mark: 1, manage_sysctls: false, wildcard_overlap: specific-wins }
runtime_dir: /var/lib/gw
plugins: { ctl: { codec: cbor } }
targets:
  - name: backend
    kind: static:cmd
    idle_timeout: 1h30m
    endpoints:
      - { name: http, protocol: tcp, addresses: ["[2001:DB8::0:1]:81", "192.0.2.1:80"] }
    options: { command: sleep 1h, env: { A: b } }
frontends:
  - name: public
    kind: static:http
    listen: ["0.0.0.0:8088", "[::]:8089", "192.0.2.9:1"]
    flow_timeout: 576h
    masquerade: never
    target: backend:http
    options: { content: warm }
`;
    expect(parse(text)).toEqual({
      log: { output: "/var/log/x", level: -6, format: "json" },
      dataplane: {
        table: "gw2",
        queue: 7,
        marks: { masquerade: 0x80000000, queue: 1, refuse: 2, ignore: 1 },
        manageSysctls: false,
        wildcardOverlap: "specific-wins",
        fastpath: "off",
      },
      runtimeDir: "/var/lib/gw",
      onShutdown: "stop",
      plugins: new Map([["ctl", { codec: "cbor", socket: "/run/fake.sock" }]]),
      targets: [
        {
          name: "backend",
          kind: { namespace: "static", name: "cmd" },
          idleTimeoutMs: 5_400_000,
          ready: { probe: { kind: "tcp" }, timeoutMs: 30_000 },
          endpoints: [
            {
              name: "http",
              protocol: "tcp",
              addresses: [
                { family: "ipv6", address: "2001:db8::1", port: 81 },
                { family: "ipv4", address: "192.0.2.1", port: 80 },
              ],
            },
          ],
          options: { command: "sleep 1h", env: { A: "b" }, count: 3 },
        },
      ],
      frontends: [
        {
          name: "public",
          kind: { namespace: "static", name: "http" },
          protocol: "tcp",
          routes: [
            { listen: address("0.0.0.0", 8088), endpoint: address("192.0.2.1", 80) },
            { listen: address("::", 8089), endpoint: address("2001:db8::1", 81) },
            { listen: address("192.0.2.9", 1), endpoint: address("192.0.2.1", 80) },
          ],
          flowTimeoutMs: 576 * 3_600_000,
          masquerade: "never",
          whenCold: "pass",
          hold: { timeoutMs: 30_000, maxFlows: 1024 },
          gates: { allow: [], deny: [], ignore: [] },
          target: "backend",
          endpoint: "http",
          options: { content: "warm", endpoint: "/" },
        },
      ],
    });
  });

  it("gives each user of an alias options of its own", () => {
    const text = `
version: v1
targets:
  - { name: a, kind: static:cmd, options: &run { command: x } }
  - { name: b, kind: static:cmd, options: *run }
  - { name: c, kind: static:cmd, options: { <<: *run, count: 5 } }
`;
    const [a, b, c] = parse(text).targets;
    expect(b?.options).toEqual({ command: "x", count: 3 });
    expect(b?.options).not.toBe(a?.options);
    expect(c?.options).toEqual({ command: "x", count: 5 });
  });

  it.each(["{}", "~"])("fills in a plugin's defaults for %s", (value) => {
    expect(parse(`version: v1\nplugins: { ctl: ${value} }`).plugins.get("ctl")).toEqual({
      socket: "/run/fake.sock",
      codec: "json",
    });
  });

  it("may leave null for a plugin that takes no configuration", () => {
    expect(parse("version: v1\nplugins: { static: }").plugins.size).toBe(0);
  });

  it.each([
    ["other ports", ["listen: 10.0.0.1:80", "listen: 10.0.0.1:81"]],
    ["other addresses", ["listen: 10.0.0.1:80", "listen: 10.0.0.2:80"]],
    ["other families", ['listen: "0.0.0.0:80"', 'listen: "[::]:80"']],
    ["a wildcard with an address of the same frontend", ["listen: [0.0.0.0:80, 10.0.0.1:80]", "listen: 10.0.0.1:81"]],
  ])("may listen on %s", (_, listens) => {
    const frontends = listens.map((listen, index) => `name: f${index}, kind: static:always, ${listen}, target: backend:dual`);
    expect(shown(withFrontends(...frontends))).toEqual([]);
  });

  it("may listen on one port with two protocols", () => {
    const file = withFrontends(
      'name: a, kind: static:always, listen: "[::1]:80", target: backend:dual',
      'name: b, kind: static:always, listen: "[::1]:80", target: backend:dns',
    );
    expect(shown(file)).toEqual([]);
  });
});

describe("errors of shape", () => {
  it.each([
    ["", '1:1 the file is empty; expected a mapping that begins with "version: v1"'],
    ["# nothing\n", '1:1 the file is empty; expected a mapping that begins with "version: v1"'],
    ["- a\n", '1:1 the file is a list; expected a mapping that begins with "version: v1"'],
    ["text", '1:1 the file holds a single value; expected a mapping that begins with "version: v1"'],
    ["log: {}", '1:1 "version" is missing in the file; expected "v1"'],
    ["version: 1", '1:10 version is the number 1; expected "v1"'],
    ["version: v2", '1:10 version is the text "v2"; expected "v1"'],
    ["version: v1\nlgo: {}", '2:1 unknown key "lgo" in the file; did you mean "log"?'],
    [
      "version: v1\nfoo: {}",
      '2:1 unknown key "foo" in the file; known keys: "version", "log", "plugins", "dataplane", "runtime_dir", "on_shutdown", "targets" and "frontends"',
    ],
    ["version: v1\nlog: stderr", '2:6 log is the text "stderr"; expected a mapping'],
    ["version: v1\nlog: { level: -4 }", '2:15 log.level is the number -4; expected a log level such as "DEBUG"'],
    ["version: v1\nlog: { level: loud }", /^2:15 "loud" is not a log level: expected "DEBUG", "INFO"/],
    ["version: v1\nlog: { format: jsno }", '2:16 log.format is the text "jsno"; expected "text" or "json"; did you mean "json"?'],
    ["version: v1\nlog: { output: '' }", '2:16 log.output is empty; expected an output such as "stdout"'],
    ["version: v1\nruntime_dir: run", '2:14 runtime_dir is the text "run"; expected an absolute path such as "/run/proxygw"'],
    ["version: v1\ndataplane: { table: a b }", /^2:21 dataplane.table is the text "a b"; expected a table name \(at most 64/],
    ["version: v1\ndataplane: { masquerade_mark: 6 }", /^2:31 0x6 is more than one bit; expected a power of two/],
    ["version: v1\ndataplane: { masquerade_mark: 0 }", "2:31 dataplane.masquerade_mark is the number 0; it must be >= 1"],
    ["version: v1\ndataplane: { masquerade_mark: '1' }", /^2:31 .* is the text "1"; .*; leave out the quotes$/],
    ["version: v1\ndataplane: { masquerade_mark: .inf }", /^2:31 .* is the number Infinity; expected a bit/],
    ["version: v1\ndataplane: { manage_sysctls: no }", /is the text "no"; expected true or false; write false$/],
    ["version: v1\ntargets: {}", "2:10 targets is a mapping; expected a list of targets"],
    ["version: v1\ntargets: [~]", "2:11 targets[0] is empty; expected a target"],
    ["version: v1\n__proto__: {}", /^2:1 unknown key "__proto__" in the file/],
    ["version: v1\nconstructor: {}", /^2:1 unknown key "constructor" in the file/],
  ])("%j", (text, expected) => {
    expect(shown(text)).toEqual([typeof expected === "string" ? expected : (expect.stringMatching(expected) as string)]);
  });

  it.each([
    [
      "idle_timeout: 5",
      /^1:\d+ idle_timeout of target "t" is the number 5; expected a duration such as "5m"; a unit is missing: "5s"\?$/,
    ],
    ["idle_timeout: 0", /a unit is missing/],
    ["idle_timeout: 0s", /"0s" is too short; expected a duration above 0/],
    ["idle_timeout: -5s", /"-5s" is too short/],
    ["idle_timeout: 5 minutes", /unknown unit " minutes"; units are/],
    ["idle_timout: 5m", /unknown key "idle_timout" in target "t"; did you mean "idle_timeout"\?/],
    [
      "endpoints: [{ name: a, protocol: tcp }]",
      /the address is missing; expected "address: 127.0.0.1:8080" or a list "addresses"/,
    ],
    ["endpoints: [{ name: a, protocol: tcp, address: }]", /the address is missing/],
    [
      "endpoints: [{ name: a, protocol: tcp, address: 80 }]",
      /address of endpoint "a" of target "t" is the number 80; expected an address and port/,
    ],
    ["endpoints: [{ name: a, protocol: tcp, addresses: [] }]", /is an empty list; expected at least one/],
    [
      "endpoints: [{ name: a, protocol: TCP, address: 1.2.3.4:5 }]",
      /is the text "TCP"; expected "tcp" or "udp"; did you mean "tcp"\?/,
    ],
    ["endpoints: [{ name: a, protocol: tcp, address: 1.2.3.4:5, addresses: [1.2.3.4:5] }]", /both "address" and "addresses"/],
    ["endpoints: [{ name: a, protocol: tcp, addresses: [1.2.3.4:5, 1.2.3.5:5] }]", /a second IPv4 address, after 1.2.3.4:5/],
    ["endpoints: [{ name: a, protocol: tcp, address: 0.0.0.0:5 }]", /can't be connected to; for this machine: "127.0.0.1:5"/],
    ['endpoints: [{ name: a, protocol: tcp, address: "[::]:5" }]', /can't be connected to; for this machine: "\[::1\]:5"/],
    ["endpoints: [{ name: a, protocol: tcp, address: 1.2.3.4:0 }]", /port 0 cannot be connected to/],
    ["endpoints: [{ name: 8, protocol: tcp, address: 1.2.3.4:5 }]", /expected a name such as "http"; put it in quotes: "8"/],
    ['endpoints: [{ name: "a:b", protocol: tcp, address: 1.2.3.4:5 }]', /"a:b" is not a name: a colon/],
    ["options: []", /options of target "t" is a list; expected a mapping/],
    ["options: { a: 1 }", /unknown key "a" in options of target "t"; there are no keys/],
  ])("in a target: %s", (part, message) => {
    expect(shown(`{ version: v1, targets: [{ name: t, kind: static:none, ${part} }] }`)).toEqual([
      expect.stringMatching(message),
    ]);
  });

  it.each([
    ["{}", /^1:\d+ "command" is missing in options of target "t"; expected a command line such as "sleep 1h"$/],
    ["~", /"command" is missing/],
    ["{ command: x, count: 10 }", /options.count of target "t" is the number 10; it must be <= 9/],
    ["{ command: x, env: { A: 5 } }", /options.env.A of target "t" is the number 5; expected text; put it in quotes: "5"/],
    ["{ command: x, env: { a: b } }", /the key "a" in options.env of target "t" must match pattern/],
    ["{ command: x, user: [] }", /options.user of target "t" is a list; expected text or a whole number/],
    ["{ command: x, comand: y }", /unknown key "comand" in options of target "t"; did you mean "command"\?/],
    ["{ command: /x }", /^1:75 commands here don't begin with a slash$/],
    ["{ command: explode }", /^1:26 exploded$/],
  ])("in the options of a kind: %s", (options, message) => {
    expect(shown(`{ version: v1, targets: [{ name: t, kind: static:cmd, options: ${options} }] }`)).toEqual([
      expect.stringMatching(message),
    ]);
  });

  it("places what is missing where it should be", () => {
    expect(shown("version: v1\ntargets:\n  - kind: static:none\n")).toEqual([
      '3:5 "name" is missing in targets[0]; expected a name such as "backend"',
    ]);
    expect(shown("version: v1\ntargets:\n  - kind: static:none\n    name:\n")).toEqual([
      '4:5 "name" is missing in targets[0]; expected a name such as "backend"',
    ]);
    expect(shown("version: v1\ntargets:\n  - name: x\n    kind: static:cmd\n")).toEqual([
      '3:5 "command" is missing in options of target "x"; expected a command line such as "sleep 1h"',
    ]);
  });

  it("names a plugin whose schema is unusable", () => {
    const text = "{ version: v1, targets: [{ name: t, kind: static:broken }] }";
    expect(() => parse(text)).toThrow(/the options schema of "static:broken" is not a JSON Schema/);
    try {
      parse(text);
    } catch (error) {
      expect(hasCode(error, "PLUGIN_SCHEMA_INVALID")).toBe(true);
    }
  });
});

describe("all errors at once", () => {
  it("are shown in the order of the file, and one hides no other", () => {
    const text = `version: v1
log: { level: loud }
targets:
  - name: a
    kind: static:cmdd
    endpoints: [{ name: http, protocol: tcp, address: nowhere }]
  - name: b
    kind: static:cmd
    idle_timeout: 5
  - name: c
    colour: red
frontends:
  - name: one
    kind: static:always
    listen: 10.0.0.1:80
    target: a:htp
  - name: two
    kind: static:always
    listen: 10.0.0.1:80
    protocol: tcp
    target: a:http
  - name: three
    kind: static:always
    listen: 10.0.0.1:80
    protocol: tcp
    target: d:http
`;
    expect(problemsOf(text).map((each) => [each.line, each.column])).toEqual([
      [2, 15],
      [5, 11],
      [6, 55],
      [7, 5],
      [9, 19],
      [10, 5],
      [11, 5],
      [16, 13],
      [24, 13],
      [26, 13],
    ]);
  });

  it("say nothing of what only follows from another error", () => {
    const text = `version: v1
targets:
  - { name: a, kind: static:none, endpoints: [{ name: 5, protocol: tcp, address: 10.0.0.2:80 }] }
  - { name: [], kind: static:none }
frontends:
  - { name: f, kind: static:always, listen: 10.0.0.1:80, target: a:http }
  - { name: g, kind: static:always, listen: 10.0.0.1:81, target: b:http }
`;
    expect(problemsOf(text).map((each) => each.line)).toEqual([3, 4]);
  });
});

describe("the configuration of a plugin", () => {
  it("is checked by the plugin itself, too", () => {
    expect(shown("version: v1\nplugins: { ctl: { socket: /tmp/x } }\n")).toEqual(["2:27 not in /tmp"]);
    expect(parse("version: v1\nplugins: { ctl: { socket: /run/x } }\n").plugins.get("ctl")).toMatchObject({ socket: "/run/x" });
  });
});
