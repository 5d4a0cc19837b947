/** A mapping, an endpoint and a flow timeout as elements and chains of the table. Pure functions. */
import type { EndpointConfig, Masquerade } from "../../config/types.ts";
import { type AddrPort, isWildcard } from "../../value/addr-port.ts";
import type { Protocol } from "../../value/protocol.ts";
import type { MappingSpec } from "../dataplane.ts";

/** One element of a set or map of the table. */
export interface Element {
  readonly set: string;
  readonly key: string;
  /** For maps: what follows the colon. */
  readonly value?: string;
}

/** What makes a mapping work: DNAT, flow timeout and masquerade, for each of its routes. */
export function mappingElements(spec: MappingSpec): Element[] {
  return spec.routes.flatMap(({ listen, endpoint }) => {
    const suffix = `${isWildcard(listen) ? "_any" : ""}${digit(listen)}`;
    const key = isWildcard(listen)
      ? `${spec.protocol} . ${String(listen.port)}`
      : `${spec.protocol} . ${listen.address} . ${String(listen.port)}`;
    return [
      { set: `dnat${suffix}`, key, value: `${endpoint.address} . ${String(endpoint.port)}` },
      { set: `timeout${suffix}`, key, value: `goto ${timeoutChain(timeoutSeconds(spec.flowTimeoutMs))}` },
      { set: `masquerade${suffix}`, key, value: MASQUERADE_VERDICT[spec.masquerade] },
    ];
  });
}

const MASQUERADE_VERDICT: Readonly<Record<Masquerade, string>> = {
  auto: "goto masquerade_auto",
  always: "goto masquerade_always",
  never: "accept",
};

export function endpointElements(endpoints: readonly EndpointConfig[]): Element[] {
  return endpoints.flatMap(({ protocol, addresses }) =>
    addresses.map((address) => ({ set: `endpoint${digit(address)}`, key: endpointKey(protocol, address) })),
  );
}

export function endpointKey(protocol: Protocol, address: AddrPort): string {
  return `${protocol} . ${address.address} . ${String(address.port)}`;
}

/** The set that holds an endpoint's idle clock. */
export function clockSet(address: AddrPort): string {
  return `active${digit(address)}`;
}

function digit(address: AddrPort): "4" | "6" {
  return address.family === "ipv4" ? "4" : "6";
}

export function addLine(table: string, { set, key, value }: Element): string {
  return `add element inet ${table} ${set} { ${key}${value === undefined ? "" : ` : ${value}`} }`;
}

export function deleteLine(table: string, { set, key }: Element): string {
  return `delete element inet ${table} ${set} { ${key} }`;
}

/** The kernel's timeout policies count whole seconds. */
export function timeoutSeconds(flowTimeoutMs: number): number {
  return Math.max(1, Math.ceil(flowTimeoutMs / 1000));
}

function timeoutChain(seconds: number): string {
  return `flow_${String(seconds)}s`;
}

/**
 * The chain that gives a flow its timeouts. Only `established` is the user's: the handshake and closing states are
 * short, and a closed flow is forgotten within two seconds, so that it neither counts as alive nor fills the table.
 * close_wait stays long enough for a client that has sent all and still receives (nf_conntrack_proto_tcp.c).
 */
export function timeoutLines(table: string, seconds: number): string[] {
  const atMost = (limit: number): string => String(Math.min(limit, seconds));
  const tcp = [
    `syn_sent : ${atMost(30)}`,
    `syn_recv : ${atMost(30)}`,
    `established : ${String(seconds)}`,
    `fin_wait : ${atMost(60)}`,
    `close_wait : ${atMost(60)}`,
    `last_ack : ${atMost(10)}`,
    `time_wait : ${atMost(2)}`,
    `close : ${atMost(2)}`,
    `syn_sent2 : ${atMost(30)}`,
    `retrans : ${atMost(120)}`,
    `unack : ${atMost(120)}`,
  ].join(", ");
  const name = timeoutChain(seconds);
  return [
    `add ct timeout inet ${table} ${name}_tcp {\nprotocol tcp\npolicy = { ${tcp} }\n}`,
    `add ct timeout inet ${table} ${name}_udp {\nprotocol udp\npolicy = { unreplied : ${String(seconds)}, replied : ${String(seconds)} }\n}`,
    `add chain inet ${table} ${name}`,
    `add rule inet ${table} ${name} meta l4proto tcp ct timeout set "${name}_tcp"`,
    `add rule inet ${table} ${name} meta l4proto udp ct timeout set "${name}_udp"`,
  ];
}
