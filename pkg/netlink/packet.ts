import type { AddrPort } from "../value/addr-port.ts";
import type { Family, Protocol } from "../value/protocol.ts";
import { ipv4Text, ipv6Text } from "./address-text.ts";

/** What the headers of a TCP or UDP packet say. */
export interface FlowPacket {
  readonly family: Family;
  readonly protocol: Protocol;
  /** Unlike in a configuration, ports may be 0 here: a sender can write anything. */
  readonly source: AddrPort;
  readonly destination: AddrPort;
  /** Flags of TCP; false for UDP. */
  readonly syn: boolean;
  readonly ack: boolean;
  readonly rst: boolean;
  readonly fin: boolean;
  /** Equal for packets of one flow in one direction, different for all others. */
  readonly flowKey: string;
}

/**
 * Why a packet has no flow: `not-ip`, neither version; `truncated`, a header is longer than the packet or than what was
 * copied of it; `bad-header`, a header contradicts itself; `fragment`, not the first, hence without ports; `protocol`,
 * neither TCP nor UDP; `extensions`, more IPv6 extension headers than anyone needs.
 */
type PacketFlaw = "not-ip" | "truncated" | "bad-header" | "fragment" | "protocol" | "extensions";

export type ParsedPacket =
  { readonly packet: FlowPacket; readonly flaw?: never } | { readonly packet?: never; readonly flaw: PacketFlaw };

const PROTOCOL_HOP_BY_HOP = 0;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const PROTOCOL_ROUTING = 43;
const PROTOCOL_FRAGMENT = 44;
const PROTOCOL_AUTHENTICATION = 51;
const PROTOCOL_DESTINATION = 60;

const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
const TCP_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
/** RFC 8200 knows six, one of them twice. */
const MAX_EXTENSIONS = 8;

/** Where the transport header is, and up to where the packet's bytes can be read. */
interface Transport {
  readonly protocol: number;
  readonly offset: number;
  readonly end: number;
}

/** Reads the headers of `data`, the first bytes of an IP packet, without copying. Never throws. */
export function parsePacket(data: Buffer): ParsedPacket {
  if (data.length === 0) return { flaw: "truncated" };
  const version = data.readUInt8(0) >>> 4;
  if (version === 4) return parseIPv4(data);
  if (version === 6) return parseIPv6(data);
  return { flaw: "not-ip" };
}

function parseIPv4(data: Buffer): ParsedPacket {
  if (data.length < IPV4_HEADER_BYTES) return { flaw: "truncated" };
  const headerBytes = (data.readUInt8(0) & 0x0f) * 4;
  if (headerBytes < IPV4_HEADER_BYTES) return { flaw: "bad-header" };
  // 0 stands for more than 65,535: segments that the network card is to cut up
  const totalBytes = data.readUInt16BE(2);
  if (totalBytes !== 0 && totalBytes < headerBytes) return { flaw: "bad-header" };
  if ((data.readUInt16BE(6) & 0x1fff) !== 0) return { flaw: "fragment" };
  const end = totalBytes === 0 ? data.length : Math.min(totalBytes, data.length);
  const transport = { protocol: data.readUInt8(9), offset: headerBytes, end };
  return parseTransport(data, "ipv4", ipv4Text(data, 12), ipv4Text(data, 16), transport);
}

function parseIPv6(data: Buffer): ParsedPacket {
  if (data.length < IPV6_HEADER_BYTES) return { flaw: "truncated" };
  // 0 as above
  const payloadBytes = data.readUInt16BE(4);
  const end = payloadBytes === 0 ? data.length : Math.min(IPV6_HEADER_BYTES + payloadBytes, data.length);
  const transport = skipExtensions(data, { protocol: data.readUInt8(6), offset: IPV6_HEADER_BYTES, end });
  if (typeof transport === "string") return { flaw: transport };
  return parseTransport(data, "ipv6", ipv6Text(data, 8), ipv6Text(data, 24), transport);
}

/** Each extension header begins with the protocol of what follows it and (all but the fragment header) its own length. */
function skipExtensions(data: Buffer, first: Transport): Transport | PacketFlaw {
  let { protocol, offset } = first;
  for (let count = 0; count <= MAX_EXTENSIONS; count++) {
    if (!isExtension(protocol)) return { protocol, offset, end: first.end };
    if (first.end - offset < 8) return "truncated";
    if (protocol === PROTOCOL_FRAGMENT && (data.readUInt16BE(offset + 2) & 0xfff8) !== 0) return "fragment";
    const bytes = extensionBytes(protocol, data.readUInt8(offset + 1));
    protocol = data.readUInt8(offset);
    offset += bytes;
  }
  return "extensions";
}

function isExtension(protocol: number): boolean {
  switch (protocol) {
    case PROTOCOL_HOP_BY_HOP:
    case PROTOCOL_ROUTING:
    case PROTOCOL_FRAGMENT:
    case PROTOCOL_AUTHENTICATION:
    case PROTOCOL_DESTINATION:
      return true;
    default:
      return false;
  }
}

function extensionBytes(protocol: number, length: number): number {
  if (protocol === PROTOCOL_FRAGMENT) return 8;
  return protocol === PROTOCOL_AUTHENTICATION ? (length + 2) * 4 : (length + 1) * 8;
}

function parseTransport(
  data: Buffer,
  family: Family,
  sourceAddress: string,
  destinationAddress: string,
  { protocol, offset, end }: Transport,
): ParsedPacket {
  if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) return { flaw: "protocol" };
  const isTCP = protocol === PROTOCOL_TCP;
  if (end - offset < (isTCP ? TCP_HEADER_BYTES : UDP_HEADER_BYTES)) return { flaw: "truncated" };
  if (isTCP && data.readUInt8(offset + 12) >>> 4 < TCP_HEADER_BYTES / 4) return { flaw: "bad-header" };
  const flags = isTCP ? data.readUInt8(offset + 13) : 0;
  const source = { family, address: sourceAddress, port: data.readUInt16BE(offset) };
  const destination = { family, address: destinationAddress, port: data.readUInt16BE(offset + 2) };
  const name = isTCP ? "tcp" : "udp";
  return {
    packet: {
      family,
      protocol: name,
      source,
      destination,
      syn: (flags & 0x02) !== 0,
      ack: (flags & 0x10) !== 0,
      rst: (flags & 0x04) !== 0,
      fin: (flags & 0x01) !== 0,
      flowKey: `${name} ${sourceAddress} ${source.port} ${destinationAddress} ${destination.port}`,
    },
  };
}
