/** Mappings and endpoints as elements of the table, flow timeouts and wake limits as chains of it. Pure functions. */
import type { EndpointConfig, Masquerade, WakeLimit } from "../../config/types.ts";
import type { AddrPort } from "../../value/addr-port.ts";
import { addressText } from "../../value/cidr.ts";
import type { Family } from "../../value/protocol.ts";
import type { MappingSpec } from "../dataplane.ts";
import { gateRanges, type Range } from "../gate-ranges.ts";
import { keyOf, keyText, SPECIFIC } from "./key.ts";
import { chainPart, setPart, type TablePart } from "./table-part.ts";

/** One element of a set or map of the table. */
export interface Element {
  readonly set: string;
  readonly key: string;
  /** For maps: what follows the colon. */
  readonly value?: string;
}

/** What a mapping has in the table while it is enabled, in either state of its group. */
export function mappingElements(spec: MappingSpec, active: boolean): Element[] {
  return spec.routes.flatMap(({ listen, endpoint }) => {
    const { suffix, wildcard } = keyOf(listen);
    const key = keyText(spec.protocol, listen);
    const elements: Element[] = gateElements(spec, listen);
    if (!wildcard) elements.push({ set: exactSet(listen.family), key });
    if (!active && spec.whenCold !== "pass") elements.push({ set: `hold${suffix}`, key });
    // also while packets are held, so that letting them go takes no change of the table
    if (active || spec.whenCold !== "pass") {
      const seconds = timeoutSeconds(spec.flowTimeoutMs);
      elements.push(
        { set: `mapped${suffix}`, key },
        { set: `dnat${suffix}`, key, value: `${endpoint.address} . ${endpoint.port}` },
      );
      if (seconds !== USUAL_TIMEOUT) elements.push({ set: `timeout${suffix}`, key, value: `goto ${timeoutChain(seconds)}` });
      if (spec.masquerade !== "auto")
        elements.push({ set: `masquerade${suffix}`, key, value: MASQUERADE_VERDICT[spec.masquerade] });
    }
    return elements;
  });
}

/** Seconds: what a frontend has that says nothing else, and needs no element for. */
export const USUAL_TIMEOUT = 300;

/** Of mappings that are not `auto`, which is what those in `mapped` without an element are. */
const MASQUERADE_VERDICT: Readonly<Record<Exclude<Masquerade, "auto">, string>> = {
  always: "goto masquerade_always",
  never: "accept",
};

/** The names of the counting sets, and whether a mapping has an element in them. */
export const GATE_COUNTERS: Readonly<Record<"denied" | "ignored" | "limited", (spec: MappingSpec) => boolean>> = {
  denied: ({ gates }) => gates.allow.length + gates.deny.length > 0,
  ignored: ({ gates }) => gates.ignore.length > 0,
  limited: ({ gates }) => gates.wakeLimit !== undefined,
};

function gateElements(spec: MappingSpec, listen: AddrPort): Element[] {
  const { suffix, family } = keyOf(listen);
  const key = keyText(spec.protocol, listen);
  const ranges = (set: string, all: readonly Range[]): Element[] =>
    all.map((range) => ({ set: `${set}${suffix}`, key: `${key} . ${rangeText(range, family)}` }));
  const { denied, ignored } = gateRanges(spec.gates, family);
  const counters = Object.entries(GATE_COUNTERS).filter(([, has]) => has(spec));
  return [
    ...ranges("deny", denied),
    ...ranges("ignore", ignored),
    ...counters.map(([name]) => ({ set: `${name}${suffix}`, key })),
    ...(spec.gates.wakeLimit === undefined
      ? []
      : [{ set: `limit${suffix}`, key, value: `goto ${limitChain(spec.gates.wakeLimit)}` }]),
  ];
}

function rangeText({ first, last }: Range, family: Family): string {
  return first === last ? addressText(first, family) : `${addressText(first, family)}-${addressText(last, family)}`;
}

export function endpointElements(endpoints: readonly EndpointConfig[]): Element[] {
  return endpoints.flatMap(({ protocol, addresses }) =>
    addresses.flatMap((address) => {
      const { suffix } = SPECIFIC[address.family];
      const key = keyText(protocol, address);
      return [
        { set: `endpoint${suffix}`, key },
        { set: exactSet(address.family), key },
      ];
    }),
  );
}

/** The set of specific addresses that no wildcard is to take. */
export function exactSet(family: Family): string {
  return `exact${SPECIFIC[family].suffix}`;
}

/** The set that holds an endpoint's idle clock. */
export function clockSet(address: AddrPort): string {
  return `active${SPECIFIC[address.family].suffix}`;
}

export function elementId({ set, key, value }: Element): string {
  return `${set} ${key} ${value ?? ""}`;
}

export function addLine(table: string, element: Element): string {
  return addElementsLine(table, element.set, [elementText(element)]);
}

/** `elements`: of one set, as elementText() has them. */
export function addElementsLine(table: string, set: string, elements: readonly string[]): string {
  return `add element inet ${table} ${set} { ${elements.join(", ")} }`;
}

export function elementText({ key, value }: Element): string {
  // joined: see keyText()
  return value === undefined ? key : [key, value].join(" : ");
}

/** The reverse of elementText(). */
export function elementIn(set: string, text: string): Element {
  const [key = "", value] = text.split(" : ");
  return value === undefined ? { set, key } : { set, key, value };
}

export function deleteLine(table: string, { set, key }: Element): string {
  return `delete element inet ${table} ${set} { ${key} }`;
}

/** The kernel's timeout policies count whole seconds. */
export function timeoutSeconds(flowTimeoutMs: number): number {
  return Math.max(1, Math.ceil(flowTimeoutMs / 1000));
}

export function timeoutChain(seconds: number): string {
  return `flow_${seconds}s`;
}

/**
 * The chain that gives a flow its timeouts. Only `established` is the user's: the handshake and closing states are
 * short, and a closed flow is forgotten within two seconds, so that it neither counts as alive nor fills the table.
 * close_wait stays long enough for a client that has sent all and still receives (nf_conntrack_proto_tcp.c).
 */
export function timeoutParts(seconds: number): TablePart[] {
  const atMost = (limit: number): string => String(Math.min(limit, seconds));
  const tcp = [
    `syn_sent : ${atMost(30)}`,
    `syn_recv : ${atMost(30)}`,
    `established : ${seconds}`,
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
  const policy = (protocol: string, states: string): TablePart => ({
    kind: "ct timeout",
    name: `${name}_${protocol}`,
    body: [`protocol ${protocol}`, `policy = { ${states} }`],
    rules: [],
  });
  return [
    policy("tcp", tcp),
    policy("udp", `unreplied : ${seconds}, replied : ${seconds}`),
    chainPart(name, [`meta l4proto tcp ct timeout set "${name}_tcp"`, `meta l4proto udp ct timeout set "${name}_udp"`]),
  ];
}

export function limitChain({ count, perMs }: WakeLimit): string {
  return `limit_${count}_per_${perMs}ms`;
}

/** Seconds of nft's units of rate. */
const RATE_UNITS = { second: 1, minute: 60, hour: 3600, day: 86_400, week: 604_800 } as const;

/** nft's rates are whole numbers per unit: the smallest unit that gives one, or as near as a week comes. */
export function nftRate({ count, perMs }: WakeLimit): string {
  for (const [unit, seconds] of Object.entries(RATE_UNITS)) {
    const rate = (count * seconds * 1000) / perMs;
    if (Number.isInteger(rate)) return `${rate}/${unit}`;
  }
  return `${Math.max(1, Math.round((count * RATE_UNITS.week * 1000) / perMs))}/week`;
}

/** The chain that counts the new flows of each source address against a wake limit, with its buckets. */
export function limitParts(limit: WakeLimit): TablePart[] {
  const name = limitChain(limit);
  const rate = `limit rate over ${nftRate(limit)} burst ${limit.count} packets`;
  // a bucket that has not been asked for so long is full again
  const timeout = `${Math.max(2, Math.ceil((2 * limit.perMs) / 1000))}s`;
  const families = Object.values(SPECIFIC).map(({ suffix, type, addressType, expression, source }) => ({
    bucket: `${name}_${suffix}`,
    set: [`type ${type} . ${addressType}`, "size 65536", "flags dynamic,timeout", `timeout ${timeout}`],
    key: `${expression} . ${source}`,
    flow: `meta l4proto . ${source} . th sport . ${source.replace("saddr", "daddr")} . th dport`,
    counted: `counted${suffix}`,
  }));
  return [
    ...families.map(({ bucket, set }) => setPart(bucket, set)),
    chainPart(name, [
      ...families.map(({ flow, counted }) => `${flow} @${counted} goto to_queue`),
      ...families.map(({ bucket, key }) => `update @${bucket} { ${key} ${rate} } goto limited`),
      ...families.map(({ flow, counted }) => `add @${counted} { ${flow} }`),
      "goto to_queue",
    ]),
  ];
}
