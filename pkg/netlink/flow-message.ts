/** Messages about the connections that the kernel knows (linux/netfilter/nfnetlink_conntrack.h, nf_conntrack_common.h, nf_conntrack_tcp.h). */
import type { AddrPort } from "../value/addr-port.ts";
import type { Family, Protocol } from "../value/protocol.ts";
import { ipv4Text, ipv6Text } from "./address-text.ts";
import {
  attributeBytes,
  be16,
  eachAttribute,
  GENERIC_HEADER_BYTES,
  type Message,
  MessageWriter,
  NESTED,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_REQUEST,
} from "./message.ts";
import type { FlowFilter, KernelFlow } from "./netlink.ts";

const SUBSYSTEM_CONNTRACK = 1;
const type = (number: number): number => (SUBSYSTEM_CONNTRACK << 8) | number;
/** What the kernel answers a question with, too. */
export const TYPE_FLOW = type(0);
const GET_FLOWS = type(1);
const DELETE_FLOW = type(2);

const FAMILIES: Readonly<Record<Family, number>> = { ipv4: 2, ipv6: 10 };
const PROTOCOLS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17 };

const TUPLE_ORIGINAL = 1;
const TUPLE_REPLY = 2;
const STATUS = 3;
const PROTOCOL_INFO = 4;
const TIMEOUT = 7;
const MARK = 8;
const ID = 12;
const ZONE = 18;
const FILTER = 25;

const TUPLE_IP = 1;
const TUPLE_PROTOCOL = 2;
const IPV4_SOURCE = 1;
const IPV4_DESTINATION = 2;
const IPV6_SOURCE = 3;
const IPV6_DESTINATION = 4;
const PROTOCOL_NUMBER = 1;
const SOURCE_PORT = 2;
const DESTINATION_PORT = 3;
const INFO_TCP = 1;
const TCP_STATE = 1;

/**
 * CTA_FILTER_REPLY_FLAGS, and which parts of the tuple count (net/netfilter/nf_internals.h); Linux 5.8 and newer take them. Not the address:
 * of IPv6's, 6.18 leaves out just the flows that have it (ctnetlink_filter_match_tuple).
 */
const FILTER_REPLY = 2;
const FILTERED_BY = { protocol: 1 << 3, sourcePort: 1 << 4 };

/** A flowtable forwards it (IPS_OFFLOAD). */
const STATUS_OFFLOADED = 1 << 14;

/** enum tcp_conntrack, with the names that conntrack(8) has for them. */
const TCP_STATES = [
  ...["NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT"],
  ...["CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"],
];

/** The kernel may tell of more: it does not look at the address, and old ones tell of all flows of the family. */
export function flowsQuestion({ family, protocol, replySource }: FlowFilter, sequence: number): Buffer {
  const writer = new MessageWriter(Buffer.alloc(256));
  writer.begin(GET_FLOWS, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  writer.fixed([FAMILIES[family], 0, 0, 0]);
  if (protocol === undefined || replySource === undefined) return writer.written;
  const number = attributeBytes(PROTOCOL_NUMBER, [PROTOCOLS[protocol]]);
  const port = attributeBytes(SOURCE_PORT, be16(replySource.port));
  writer.attribute(TUPLE_REPLY | NESTED, attributeBytes(TUPLE_PROTOCOL | NESTED, [...number, ...port]));
  const parts = FILTERED_BY.protocol | FILTERED_BY.sourcePort;
  // these flags alone are in the machine's own byte order
  writer.attribute(FILTER | NESTED, attributeBytes(FILTER_REPLY, [parts, 0, 0, 0]));
  return writer.written;
}

/** What makes a flow to be deleted known, copied out of the kernel's message about it. */
export interface FlowName {
  readonly family: Family;
  /** Attributes, whole. */
  readonly attributes: Buffer;
}

/** Asks to delete that flow and none that has taken its place (by its id). */
export function deleteQuestion({ family, attributes }: FlowName, sequence: number): Buffer {
  const writer = new MessageWriter(Buffer.alloc(64 + attributes.length));
  writer.begin(DELETE_FLOW, NLM_F_REQUEST | NLM_F_ACK, sequence);
  writer.fixed([FAMILIES[family], 0, 0, 0, ...attributes]);
  return writer.written;
}

/** Of a message that readFlow() could read. */
export function readFlowName(data: Buffer, message: Message): FlowName {
  const parts: Buffer[] = [];
  const start = message.start + GENERIC_HEADER_BYTES;
  eachAttribute(data, start, message.end, (name, from, to) => {
    if (name !== TUPLE_ORIGINAL && name !== ID && name !== ZONE) return;
    // with its header, and up to the next one
    parts.push(data.subarray(from - 4, to), Buffer.alloc(-(to - from) & 3));
  });
  return { family: familyOf(data, message), attributes: Buffer.concat(parts) };
}

function familyOf(data: Buffer, message: Message): Family {
  return data.readUInt8(message.start) === FAMILIES.ipv6 ? "ipv6" : "ipv4";
}

interface Tuple {
  source: AddrPort;
  destination: AddrPort;
  protocol: number;
}

/** Undefined: cut short, or neither TCP nor UDP. */
export function readFlow(data: Buffer, message: Message): KernelFlow | undefined {
  if (message.end - message.start < GENERIC_HEADER_BYTES) return undefined;
  let original: Tuple | undefined;
  let reply: Tuple | undefined;
  let status = 0;
  let timeoutSeconds: number | undefined;
  let state: string | undefined;
  let mark = 0;
  eachAttribute(data, message.start + GENERIC_HEADER_BYTES, message.end, (name, start, end) => {
    if (name === TUPLE_ORIGINAL) original = readTuple(data, start, end);
    else if (name === TUPLE_REPLY) reply = readTuple(data, start, end);
    else if (name === PROTOCOL_INFO) state = readTcpState(data, start, end);
    else if (end - start < 4) return;
    else if (name === STATUS) status = data.readUInt32BE(start);
    else if (name === TIMEOUT) timeoutSeconds = data.readUInt32BE(start);
    else if (name === MARK) mark = data.readUInt32BE(start);
  });
  if (original === undefined || reply === undefined) return undefined;
  const protocol = original.protocol === PROTOCOLS.tcp ? "tcp" : original.protocol === PROTOCOLS.udp ? "udp" : undefined;
  if (protocol === undefined) return undefined;
  return {
    protocol,
    source: original.source,
    destination: original.destination,
    endpoint: reply.source,
    state,
    timeoutSeconds,
    mark,
    offloaded: (status & STATUS_OFFLOADED) !== 0,
  };
}

function readTuple(data: Buffer, start: number, end: number): Tuple | undefined {
  let family: Family = "ipv4";
  let [source, destination] = ["", ""];
  let [protocol, sourcePort, destinationPort] = [0, 0, 0];
  eachAttribute(data, start, end, (name, from, to) => {
    eachAttribute(data, from, to, (inner, at, until) => {
      const length = until - at;
      if (name === TUPLE_IP) {
        if (inner === IPV4_SOURCE && length >= 4) source = ipv4Text(data, at);
        else if (inner === IPV4_DESTINATION && length >= 4) destination = ipv4Text(data, at);
        else if (inner === IPV6_SOURCE && length >= 16) [family, source] = ["ipv6", ipv6Text(data, at)];
        else if (inner === IPV6_DESTINATION && length >= 16) destination = ipv6Text(data, at);
      } else if (name === TUPLE_PROTOCOL) {
        if (inner === PROTOCOL_NUMBER && length >= 1) protocol = data.readUInt8(at);
        else if (inner === SOURCE_PORT && length >= 2) sourcePort = data.readUInt16BE(at);
        else if (inner === DESTINATION_PORT && length >= 2) destinationPort = data.readUInt16BE(at);
      }
    });
  });
  if (source === "" || destination === "") return undefined;
  return {
    protocol,
    source: { family, address: source, port: sourcePort },
    destination: { family, address: destination, port: destinationPort },
  };
}

function readTcpState(data: Buffer, start: number, end: number): string | undefined {
  let state: string | undefined;
  eachAttribute(data, start, end, (name, from, to) => {
    if (name !== INFO_TCP) return;
    eachAttribute(data, from, to, (inner, at, until) => {
      if (inner === TCP_STATE && until > at) state = TCP_STATES[data.readUInt8(at)];
    });
  });
  return state;
}
