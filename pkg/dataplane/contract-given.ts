/** What the contract suites begin with. */
import { type AddrPort, parseAddrPort } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";
import type { GroupSpec, MappingSpec } from "./dataplane.ts";

/** Addresses that a harness has: 127.0.0.2, .3 and ::1 answer on port 8080 (both protocols); LISTEN is the client's side. */
export const ENDPOINT = parseAddrPort("127.0.0.2:8080");
export const OTHER = parseAddrPort("127.0.0.3:8080");
export const ENDPOINT6 = parseAddrPort("[::1]:8080");
export const LISTEN = parseAddrPort("127.0.0.10:80");
export const LISTEN6 = parseAddrPort("[::1]:80");
export const ELSEWHERE = parseAddrPort("127.0.0.11:80");
/** A further port, for mappings beside. */
export const LISTEN_81 = parseAddrPort("127.0.0.10:81");
export const WILDCARD_81 = parseAddrPort("0.0.0.0:81");
export const WILDCARD = parseAddrPort("0.0.0.0:80");

export function groupSpec(name: string, protocol: Protocol = "tcp", ...addresses: AddrPort[]): GroupSpec {
  return { name, endpoints: [{ name: "main", protocol, addresses: addresses.length > 0 ? addresses : [ENDPOINT] }] };
}

export function mappingSpec(
  name: string,
  listen: AddrPort = LISTEN,
  endpoint: AddrPort = ENDPOINT,
  protocol: Protocol = "tcp",
): MappingSpec {
  return {
    name,
    protocol,
    routes: [{ listen, endpoint }],
    flowTimeoutMs: 60_000,
    masquerade: "auto",
    whenCold: "pass",
    hold: { timeoutMs: 30_000, maxFlows: 1024 },
    gates: { allow: [], deny: [], ignore: [] },
  };
}
