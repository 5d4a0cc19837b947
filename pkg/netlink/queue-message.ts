/** The messages of the kernel's packet queues (linux/netfilter/nfnetlink_queue.h). */
import { be16, be32, eachAttribute, GENERIC_HEADER_BYTES, MessageWriter, NLM_F_ACK, NLM_F_REQUEST } from "./message.ts";
import type { Hook, QueuedPacket } from "./netlink.ts";

const SUBSYSTEM_QUEUE = 3;
const TYPE_VERDICT = (SUBSYSTEM_QUEUE << 8) | 1;
const TYPE_CONFIG = (SUBSYSTEM_QUEUE << 8) | 2;
export const TYPE_PACKET = SUBSYSTEM_QUEUE << 8;

const CONFIG_COMMAND = 1;
const CONFIG_PARAMETERS = 2;
const CONFIG_MAX_LENGTH = 3;
const CONFIG_MASK = 4;
const CONFIG_FLAGS = 5;
const COMMAND_BIND = 1;
const COPY_PACKET = 2;
const FLAG_FAIL_OPEN = 1;
const FLAG_GSO = 4;

const ATTRIBUTE_PACKET_HEADER = 1;
const ATTRIBUTE_VERDICT_HEADER = 2;
const ATTRIBUTE_MARK = 3;
const ATTRIBUTE_INPUT_INTERFACE = 5;
const ATTRIBUTE_OUTPUT_INTERFACE = 6;
const ATTRIBUTE_PAYLOAD = 10;
const ATTRIBUTE_CAPTURED_LENGTH = 13;

/** By their numbers in the kernel. */
const HOOKS: readonly Hook[] = ["prerouting", "input", "forward", "output", "postrouting"];

export interface QueueParameters {
  readonly number: number;
  readonly copyRange: number;
  readonly maxLength: number;
}

/**
 * Binds the queue and sets it up in one message. Not fail-open: with the queue full, packets are dropped, so that no
 * packet passes undecided. With GSO: a packet that the kernel would cut up and checksum later is queued as the one it
 * is, not cut up for a reader that only looks at headers.
 */
export function configMessage(queue: QueueParameters, sequence: number): Buffer {
  const writer = new MessageWriter(Buffer.alloc(128));
  writer.begin(TYPE_CONFIG, NLM_F_REQUEST | NLM_F_ACK, sequence);
  writer.fixed(genericHeader(queue.number));
  writer.attribute(CONFIG_COMMAND, [COMMAND_BIND, 0, 0, 0]);
  writer.attribute(CONFIG_PARAMETERS, [...be32(queue.copyRange), COPY_PACKET]);
  writer.attribute(CONFIG_MAX_LENGTH, be32(queue.maxLength));
  writer.attribute(CONFIG_MASK, be32(FLAG_FAIL_OPEN | FLAG_GSO));
  writer.attribute(CONFIG_FLAGS, be32(FLAG_GSO));
  return writer.written;
}

/** Size of the longest verdict message. */
export const VERDICT_BYTES = 40;

export type Verdict = "accept" | "drop";
const VERDICTS = { drop: 0, accept: 1 } as const satisfies Record<Verdict, number>;

/**
 * Adds a verdict. No acknowledgement is asked for: the kernel answers only when it refuses, and its answer repeats the
 * sequence number, which is the packet's id.
 */
export function writeVerdict(writer: MessageWriter, queue: number, id: number, verdict: Verdict, mark?: number): void {
  writer.begin(TYPE_VERDICT, NLM_F_REQUEST, id);
  writer.fixed(genericHeader(queue));
  writer.attribute(ATTRIBUTE_VERDICT_HEADER, [...be32(VERDICTS[verdict]), ...be32(id)]);
  if (mark !== undefined) writer.attribute(ATTRIBUTE_MARK, be32(mark));
}

function genericHeader(queue: number): number[] {
  return [0, 0, ...be16(queue)];
}

/** What a packet message says: the packet, or if that is incomplete at least its id. */
export interface DecodedPacket {
  readonly id: number | undefined;
  readonly packet: QueuedPacket | undefined;
}

/** Reads a packet message's content. The payload is a view of `data`, not a copy. Never throws. */
export function decodePacket(data: Buffer, start: number, end: number): DecodedPacket {
  let id: number | undefined;
  let hook: Hook | undefined;
  let etherType = 0;
  let mark = 0;
  let inputInterface: number | undefined;
  let outputInterface: number | undefined;
  let payload: Buffer | undefined;
  let length: number | undefined;
  const whole = eachAttribute(data, start + GENERIC_HEADER_BYTES, end, (type, from, to) => {
    if (type === ATTRIBUTE_PAYLOAD) {
      payload = data.subarray(from, to);
      return;
    }
    if (to - from < 4) return;
    const value = data.readUInt32BE(from);
    if (type === ATTRIBUTE_PACKET_HEADER && to - from >= 7) {
      id = value;
      etherType = data.readUInt16BE(from + 4);
      hook = HOOKS[data.readUInt8(from + 6)];
    } else if (type === ATTRIBUTE_MARK) mark = value;
    else if (type === ATTRIBUTE_INPUT_INTERFACE) inputInterface = value;
    else if (type === ATTRIBUTE_OUTPUT_INTERFACE) outputInterface = value;
    else if (type === ATTRIBUTE_CAPTURED_LENGTH) length = value;
  });
  // the assignments above are out of the compiler's sight
  const found = { id, hook, payload, length } as Partial<Pick<QueuedPacket, "id" | "hook" | "payload" | "length">>;
  if (!whole || found.id === undefined || found.hook === undefined || found.payload === undefined) {
    return { id: found.id, packet: undefined };
  }
  const packet = {
    id: found.id,
    hook: found.hook,
    etherType,
    mark,
    inputInterface,
    outputInterface,
    payload: found.payload,
    // the kernel tells the length only where it copied less than that
    length: found.length ?? found.payload.length,
  };
  return { id: found.id, packet };
}
