/** The keys by which the table finds a mapping: a specific listen address or a wildcard, of either family. */
import type { Route } from "../../config/types.ts";
import { type AddrPort, isWildcard } from "../../value/addr-port.ts";
import { parseCidr } from "../../value/cidr.ts";
import type { Family, Protocol } from "../../value/protocol.ts";

export interface Key {
  /** Ends the names of the sets and maps with this key. */
  readonly suffix: "4" | "6" | "_any4" | "_any6";
  readonly family: Family;
  readonly wildcard: boolean;
  /** Type of the key in a set. */
  readonly type: string;
  /** The key of a packet on its way to a listen address. */
  readonly expression: string;
  /** Type of an address of the family, and a packet's source. */
  readonly addressType: string;
  readonly source: string;
}

function key(family: Family, wildcard: boolean): Key {
  const [digit, ip] = family === "ipv4" ? (["4", "ip"] as const) : (["6", "ip6"] as const);
  const addressType = `ipv${digit}_addr`;
  return {
    suffix: wildcard ? `_any${digit}` : digit,
    family,
    wildcard,
    type: wildcard ? "inet_proto . inet_service" : `inet_proto . ${addressType} . inet_service`,
    expression: wildcard ? "meta l4proto . th dport" : `meta l4proto . ${ip} daddr . th dport`,
    addressType,
    source: `${ip} saddr`,
  };
}

export const SPECIFIC: Readonly<Record<Family, Key>> = { ipv4: key("ipv4", false), ipv6: key("ipv6", false) };
export const WILDCARD: Readonly<Record<Family, Key>> = { ipv4: key("ipv4", true), ipv6: key("ipv6", true) };
export const KEYS: readonly Key[] = [SPECIFIC.ipv4, WILDCARD.ipv4, SPECIFIC.ipv6, WILDCARD.ipv6];

/** The key of an endpoint: of a packet that goes to it (`daddr`), or comes from it. */
export function endpointKey(family: Family, field: "saddr" | "daddr"): string {
  return `meta l4proto . ${family === "ipv4" ? "ip" : "ip6"} ${field} . th ${field === "daddr" ? "dport" : "sport"}`;
}

export function keyOf(listen: AddrPort): Key {
  return (isWildcard(listen) ? WILDCARD : SPECIFIC)[listen.family];
}

/** The key's text for a listen address or endpoint. */
export function keyText(protocol: Protocol, address: AddrPort): string {
  // joined: what a template makes keeps all of its pieces for as long as it lives, and this is kept by the ten thousand
  return (isWildcard(address) ? [protocol, address.port] : [protocol, address.address, address.port]).join(" . ");
}

const PROTOCOL_IDS: Readonly<Record<Protocol, string>> = { tcp: "\x06\0\0\0", udp: "\x11\0\0\0" };

/** keyText() as the kernel has it: each part padded to four bytes. */
export function keyBytes(protocol: Protocol, address: AddrPort): Buffer {
  return bytesOf(keyId(protocol, address));
}

export function bytesOf(id: string): Buffer {
  return Buffer.from(id, "latin1");
}

/** Likewise, with a character for each byte: to look things up by. Made by the ten thousand, so without buffers. */
export function keyId(protocol: Protocol, address: AddrPort): string {
  return PROTOCOL_IDS[protocol] + (isWildcard(address) ? portId(address.port) : addressId(address));
}

/** Addresses are a configuration's, and each is asked for several times with every status. */
const ADDRESS_IDS = new WeakMap<AddrPort, string>();

/** `ADDRESS . PORT`, likewise. */
function addressId(address: AddrPort): string {
  const known = ADDRESS_IDS.get(address);
  if (known !== undefined) return known;
  const id = hostId(address.address) + portId(address.port);
  ADDRESS_IDS.set(address, id);
  return id;
}

/** Of a mapping's way: the id of its listen address, then of the endpoint. */
export function routeId(protocol: Protocol, { listen, endpoint }: Route): string {
  return keyId(protocol, listen) + addressId(endpoint);
}

/** Any text of a key or value made of protocols, addresses and ports, likewise. */
export function keyIdOf(text: string): string {
  const parts = text.split(" . ").map((part) => {
    if (part === "tcp" || part === "udp") return PROTOCOL_IDS[part];
    return /^\d+$/.test(part) ? portId(Number(part)) : hostId(part);
  });
  return parts.join("");
}

function portId(port: number): string {
  return String.fromCharCode(port >>> 8, port & 0xff, 0, 0);
}

function hostId(address: string): string {
  if (!address.includes(":")) return String.fromCharCode(...address.split(".").map(Number));
  return Buffer.from(parseCidr(address).first.toString(16).padStart(32, "0"), "hex").toString("latin1");
}
