import { describe, expect, it } from "vitest";
import { shown, withFrontends } from "./fake-file.ts";
import { fakeRegistry } from "./fake-registry.ts";
import { parseConfig } from "./load.ts";
import type { FrontendConfig } from "./types.ts";

const file = (text: string, kind = "always"): string =>
  withFrontends(`name: f, kind: static:${kind}, listen: 10.0.0.1:80, target: backend:http, ${text}`);

function frontend(text: string): FrontendConfig | undefined {
  return parseConfig(file(text), "x", fakeRegistry()).frontends[0];
}

const block = (first: bigint, last = first, family = "ipv4"): object => ({ family, first, last });

describe("gates", () => {
  it("are open by default", () => {
    expect(frontend("")?.gates).toEqual({ allow: [], deny: [], ignore: [] });
    expect(frontend("allow: ~, deny: [], ignore: ~, wake_limit: ~")?.gates).toEqual({ allow: [], deny: [], ignore: [] });
  });

  it("take blocks, addresses, lists of both, and a limit", () => {
    expect(frontend('allow: 10.0.0.0/8, deny: [10.0.0.7, "::/0"], ignore: ["::1"], wake_limit: 5/1m')?.gates).toEqual({
      allow: [block(0x0a000000n, 0x0affffffn)],
      deny: [block(0x0a000007n), block(0n, (1n << 128n) - 1n, "ipv6")],
      ignore: [block(1n, 1n, "ipv6")],
      wakeLimit: { count: 5, perMs: 60_000 },
    });
  });

  it.each([
    ["allow: [10.0.0.0/8, here, 10.0.0.1/8]", [/"here" is not a block of addresses/, /did you mean "10.0.0.0\/8"\?/]],
    ["deny: 10.0.0.0/33", [/the length behind the slash is 0 to 32/]],
    [
      "ignore: 5",
      [/ignore of frontend "f" is the number 5; expected a block of addresses such as "192.168.0.0\/16", or a list of them/],
    ],
    ["ignore: [5]", [/ignore\[0\] of frontend "f" is the number 5; expected a block of addresses/]],
    ["wake_limit: 5", [/wake_limit of frontend "f" is the number 5; expected a rate such as "5\/1m"/]],
    ["wake_limit: 5/hour", [/"hour" is not a duration/]],
  ])("refuse %s", (text, messages) => {
    expect(shown(file(text))).toEqual(messages.map((each) => expect.stringMatching(each) as string));
  });
});

describe("hold", () => {
  it("has defaults", () => {
    for (const text of ["", "hold: ~", "hold: {}", "hold: { timeout: ~ }"]) {
      expect(frontend(text)?.hold).toEqual({ timeoutMs: 30_000, maxFlows: 1024 });
    }
    expect(frontend("hold: { timeout: 2m, max_flows: 9 }")?.hold).toEqual({ timeoutMs: 120_000, maxFlows: 9 });
  });

  it("is as the kind declares", () => {
    expect(frontend("")?.whenCold).toBe("hold");
    expect(parseConfig(file("", "http"), "x", fakeRegistry()).frontends[0]?.whenCold).toBe("pass");
  });

  it.each([
    ["hold: { timeout: 5 }", "always", /a unit is missing: "5s"\?/],
    ["hold: { timeout: 0s }", "always", /too short/],
    ["hold: { max_flows: 0 }", "always", /hold.max_flows of frontend "f" is the number 0; it must be >= 1/],
    ["hold: { max_flows: many }", "always", /expected a number of flows/],
    ["hold: { timeout: 5s }", "http", /^10:\d+ a frontend of kind "static:http" holds no packets; leave "hold" out$/],
    [
      "ignore: [10.0.0.0/8]",
      "http",
      /^10:\d+ whoever may reach a frontend of kind "static:http" wakes its target; leave "ignore" out/,
    ],
    ['wake_limit: "5/1m"', "http", /wakes its target; leave "wake_limit" out, or use "deny"$/],
  ])("refuses %s of kind %s", (text, kind, message) => {
    expect(shown(file(text, kind))).toEqual([expect.stringMatching(message)]);
  });
});

describe("marks", () => {
  it.each([
    ["queue_mark: 0x40000000", /0x40000000 is the bit of masquerade_mark already; expected a bit of its own/],
    ["refuse_mark: 3", /0x3 is more than one bit; expected a power of two/],
    ["ignore_mark: 5", /0x5 is more than one bit/],
    ["queue: 65536", /dataplane.queue is the number 65536; it must be <= 65535/],
  ])("refuse %s", (text, message) => {
    expect(shown(`version: v1\ndataplane: { ${text} }`)).toEqual([expect.stringMatching(message)]);
  });

  it("of packets and of connections may be the same bit", () => {
    expect(shown("version: v1\ndataplane: { ignore_mark: 0x20000000 }")).toEqual([]);
  });
});
