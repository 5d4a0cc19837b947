import { describe, expect, it } from "vitest";
import type { Needs } from "../dataplane/dataplane.ts";
import { withFrontends } from "./fake-file.ts";
import { fakeRegistry } from "./fake-registry.ts";
import { parseConfig } from "./load.ts";
import { needsOf } from "./needs.ts";

const NOTHING: Needs = { routeLocalnet: false, forwardIPv4: false, forwardIPv6: false, hold: false };

/** Of one frontend; 192.0.2.1 and 2001:db8::1 are this machine's own. */
function needs(listen: string, endpoint: string): Needs {
  const text = `
version: v1
targets:
  - { name: t, kind: static:none, endpoints: [{ name: e, protocol: tcp, addresses: [${endpoint}] }] }
  - { name: unused, kind: static:none, endpoints: [{ name: e, protocol: tcp, address: 203.0.113.7:1 }] }
frontends: [{ name: f, kind: static:http, listen: [${listen}], target: "t:e" }]
`;
  return needsOf(parseConfig(text, "test.yaml", fakeRegistry()), (address) => ["192.0.2.1", "2001:db8::1"].includes(address));
}

describe("needsOf", () => {
  it.each([
    ["192.0.2.1:80", "192.0.2.1:81", {}],
    ["192.0.2.1:80", "127.0.0.1:81", { routeLocalnet: true }],
    ["0.0.0.0:80", "127.0.0.9:81", { routeLocalnet: true }],
    ["127.0.0.1:80", "127.0.0.1:81", {}],
    ["127.0.0.1:80", "192.0.2.1:81", { routeLocalnet: true }],
    ["0.0.0.0:80", "192.0.2.1:81", { routeLocalnet: true }],
    ["192.0.2.1:80", "198.51.100.1:81", { forwardIPv4: true }],
    ["127.0.0.1:80", "198.51.100.1:81", { routeLocalnet: true, forwardIPv4: true }],
    ['"[2001:db8::1]:80"', '"[2001:db8::1]:81"', {}],
    ['"[::1]:80"', '"[::1]:81"', {}],
    ['"[::]:80"', '"[2001:db8::2]:81"', { forwardIPv6: true }],
    ['192.0.2.1:80, "[::]:80"', '198.51.100.1:81, "[2001:db8::2]:81"', { forwardIPv4: true, forwardIPv6: true }],
  ])("%s to %s", (listen, endpoint, expected) => {
    expect(needs(listen, endpoint)).toEqual({ ...NOTHING, ...expected });
  });

  it("needs to hold where a kind does", () => {
    const text = withFrontends("name: a, kind: static:http, listen: 127.0.0.1:1, target: backend:http");
    expect(needsOf(parseConfig(text, "x", fakeRegistry()), () => true).hold).toBe(false);
    const holding = parseConfig(text.replace("static:http", "static:always"), "x", fakeRegistry());
    expect(needsOf(holding, () => true).hold).toBe(true);
  });

  it("needs nothing for no frontends", () => {
    expect(needsOf(parseConfig("version: v1", "x", fakeRegistry()), () => false)).toEqual(NOTHING);
  });
});
