import { fakeRegistry } from "../config/fake-registry.ts";
import { parseConfig } from "../config/load.ts";
import type { Config } from "../config/types.ts";
import { parseIptablesSave } from "./iptables-rules.ts";
import type { Network } from "./network.ts";
import type { Chain } from "./rules.ts";

/** For tests: a configuration by the end of its file; targets `here` (127.0.0.1:8080) and `there` (10.0.2.2:80). */
export function configOf(frontends: string, more = ""): Config {
  const text = `version: v1
targets:
  - { name: here, kind: "static:cmd", endpoints: [{ name: http, protocol: tcp, address: 127.0.0.1:8080 }], options: { command: serve } }
  - { name: there, kind: "static:none", endpoints: [{ name: http, protocol: tcp, address: 10.0.2.2:80 }] }
frontends:
${frontends}
${more}`;
  return parseConfig(text, "test.yaml", fakeRegistry());
}

/** A gateway between 10.0.1.0/24 (lan) and 10.0.2.0/24 (dmz), whose way to everything else is by wan. */
export function network(changes: Partial<Network> = {}): Network {
  return {
    addresses: [
      { name: "lo", address: "127.0.0.1", family: "ipv4", block: "127.0.0.1/8" },
      { name: "lan", address: "10.0.1.1", family: "ipv4", block: "10.0.1.1/24" },
      { name: "dmz", address: "10.0.2.1", family: "ipv4", block: "10.0.2.1/24" },
      { name: "wan", address: "192.0.2.1", family: "ipv4", block: "192.0.2.1/24" },
      { name: "docker0", address: "172.17.0.1", family: "ipv4", block: "172.17.0.1/16" },
    ],
    ways: new Map([["10.0.2.2", { device: "dmz", gateway: undefined }]]),
    areRoutesKnown: true,
    defaults: [{ family: "ipv4", device: "wan", gateway: "192.0.2.254" }],
    bridges: new Set(),
    bridgeCallsIptables: false,
    strict: new Set(),
    ...changes,
  };
}

/** Of the addresses above. */
export function isLocal(address: string): boolean {
  return network().addresses.some((each) => each.address === address);
}

/** The filter table of iptables with these rules. */
export function iptables(policies: Partial<Record<"INPUT" | "FORWARD", string>>, rules: string): Chain[] {
  const { INPUT = "ACCEPT", FORWARD = "ACCEPT" } = policies;
  const own = [...new Set([...rules.matchAll(/-A (\S+)/g)].map(([, name = ""]) => name))];
  const heads = own.filter((name) => name !== "INPUT" && name !== "FORWARD").map((name) => `:${name} - [0:0]`);
  const text = ["*filter", `:INPUT ${INPUT} [0:0]`, `:FORWARD ${FORWARD} [0:0]`, ...heads, rules, "COMMIT"].join("\n");
  return parseIptablesSave(text, { family: "ip", legacy: false });
}
