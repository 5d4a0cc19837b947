/** What the contract suites begin with. */
import { paced } from "../../test/pace.ts";
import { systemClock } from "../clock/clock.ts";
import { type AddrPort, parseAddrPort } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";
import type { Dataplane, Group, GroupSpec, MappingSpec } from "./dataplane.ts";

/** A started dataplane with somebody on either side of it. */
export interface DataplaneHarness {
  readonly dataplane: Dataplane;
  /** Begins a flow to `to` and keeps it open: text of the endpoint that answers, or undefined when it is turned away. */
  send(protocol: Protocol, to: AddrPort, from?: string): Promise<string | undefined>;
  /** A further packet on the flows begun by send(); those that are cut may not answer. */
  traffic(): Promise<void>;
  /** Lets `ms` pass. */
  wait(ms: number): Promise<void>;
  /** Also closes the dataplane. */
  close(): Promise<void>;
}

export interface HarnessOptions {
  /** false: commit() is the test's. */
  readonly committed?: boolean;
  readonly wildcardOverlap: "refuse" | "specific-wins";
}

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

/** Until so many packets that were sent are held. */
export async function untilHeld(group: Pick<Group, "held">, count: number): Promise<void> {
  const limit = systemClock.now() + paced(5000);
  while (group.held !== count) {
    if (systemClock.now() > limit) throw new Error(`${String(group.held)} packets are held, not ${String(count)}`);
    await systemClock.sleep(5);
  }
}
