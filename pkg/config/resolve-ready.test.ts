import { describe, expect, it } from "vitest";
import { shown } from "./fake-file.ts";
import { fakeRegistry } from "./fake-registry.ts";
import { parseConfig } from "./load.ts";
import type { ReadyConfig } from "./types.ts";

const TCP = "{ name: e, protocol: tcp, address: 127.0.0.1:1 }";
const UDP = "{ name: u, protocol: udp, address: 127.0.0.1:1 }";

function file(kind: string, endpoints: string, ready: string): string {
  return `{ version: v1, targets: [{ name: t, kind: static:${kind}, endpoints: [${endpoints}], ready: ${ready}, options: ${
    kind === "cmd" ? "{ command: x }" : "{}"
  } }] }`;
}

function ready(kind: string, endpoints: string, text: string): ReadyConfig | undefined {
  return parseConfig(file(kind, endpoints, text), "x", fakeRegistry()).targets[0]?.ready;
}

describe("ready", () => {
  it.each([
    ["cmd", TCP, "tcp"],
    ["cmd", `${UDP}, ${TCP}`, "tcp"],
    ["cmd", UDP, "none"],
    ["cmd", "", "none"],
    ["none", TCP, "none"],
  ])("of a target of kind %s with endpoints [%s] is by default probed by %s", (kind, endpoints, probe) => {
    for (const text of ["~", "{}", "{ probe: ~ }"])
      expect(ready(kind, endpoints, text)).toEqual({ probe: { kind: probe }, timeoutMs: 30_000 });
  });

  it.each([
    ["{ probe: tcp, timeout: 2m }", { probe: { kind: "tcp" }, timeoutMs: 120_000 }],
    ["{ probe: http }", { probe: { kind: "http", path: "/" }, timeoutMs: 30_000 }],
    ["{ probe: http, path: /health?a=b }", { probe: { kind: "http", path: "/health?a=b" }, timeoutMs: 30_000 }],
    ["{ probe: command, command: pg_isready -q }", { probe: { kind: "command", command: "pg_isready -q" }, timeoutMs: 30_000 }],
    ["{ probe: none }", { probe: { kind: "none" }, timeoutMs: 30_000 }],
  ])("may be %s", (text, expected) => {
    expect(ready("cmd", TCP, text)).toEqual(expected);
  });

  it.each([
    [TCP, "{ probe: ping }", /ready.probe of target "t" is the text "ping"; expected "tcp", "http", "command" or "none"/],
    [TCP, "{ probe: ping, path: /x }", /ready.probe of target "t" is the text "ping"/],
    [TCP, "{ timeout: 0s }", /too short/],
    [TCP, "{ timeout: 30 }", /a unit is missing: "30s"\?/],
    [TCP, "{ probe: http, path: x }", /expected a path without white space such as "\/health"/],
    [
      TCP,
      "{ probe: tcp, path: /x }",
      /"path" belongs to "probe: http", but the probe is "tcp"; name that probe, or leave this out/,
    ],
    [TCP, "{ command: x }", /"command" belongs to "probe: command", but no probe is named/],
    [TCP, "{ probe: command }", /"command" is missing; "probe: command" needs one/],
    [TCP, "{ probe: command, command: 5 }", /ready.command of target "t" is the number 5; expected a command line/],
    [UDP, "{ probe: tcp }", /a tcp probe needs a TCP endpoint, and the target has none; expected "command" or "none"/],
    ["", "{ probe: http }", /a http probe needs a TCP endpoint/],
    [TCP, "tcp", /ready of target "t" is the text "tcp"; expected a mapping/],
    [TCP, "{ porbe: tcp }", /did you mean "probe"\?/],
  ])("with endpoints [%s] may not be %s", (endpoints, text, message) => {
    expect(shown(file("cmd", endpoints, text))).toEqual([expect.stringMatching(message)]);
  });

  it("does not complain of a missing TCP endpoint that may be one that could not be read", () => {
    expect(shown(file("cmd", "{ name: e, protocol: tpc, address: 127.0.0.1:1 }", "{ probe: tcp }"))).toEqual([
      expect.stringMatching(/protocol of endpoint "e"/),
    ]);
  });
});
