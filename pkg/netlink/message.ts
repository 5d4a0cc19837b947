/**
 * The general form of netlink messages (RFC 3549, linux/netlink.h): a 16-byte header, then attributes of type, length
 * and value, everything padded to 4 bytes. Header and attribute fields are in the machine's byte order, which is little
 * endian wherever koffi has a binary; the values of netfilter's attributes are in network order.
 */

export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
/** Of an answer in several parts: what it tells of changed meanwhile, so the parts may not fit together. */
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
/** Of an addition: also if there is none yet. */
export const NLM_F_CREATE = 0x400;

/** What netfilter's messages have before their attributes, struct nfgenmsg: family, version, resource (linux/netfilter/nfnetlink.h). */
export const GENERIC_HEADER_BYTES = 4;
/** Of an attribute's type: others are within (NLA_F_NESTED). */
export const NESTED = 0x8000;

const HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
/** The two upper bits of an attribute's type are flags (nested, network byte order). */
const ATTRIBUTE_TYPE_MASK = 0x3fff;

/** Writes messages one after another into one buffer, which has to be large enough for them. */
export class MessageWriter {
  readonly #buffer: Buffer;
  #start = 0;
  #end = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  /** What has been written; valid until the next write. */
  get written(): Buffer {
    return this.#buffer.subarray(0, this.#end);
  }

  begin(type: number, flags: number, sequence: number): void {
    this.#start = this.#end;
    this.#end += HEADER_BYTES;
    this.#buffer.writeUInt16LE(type, this.#start + 4);
    this.#buffer.writeUInt16LE(flags, this.#start + 6);
    this.#buffer.writeUInt32LE(sequence, this.#start + 8);
    this.#buffer.writeUInt32LE(0, this.#start + 12);
    this.#close(this.#start);
  }

  /** Adds bytes to the message's fixed part, before its attributes. */
  fixed(bytes: readonly number[]): void {
    this.#bytes(bytes);
    this.#close(this.#start);
  }

  attribute(type: number, value: readonly number[]): void {
    this.#buffer.writeUInt16LE(ATTRIBUTE_HEADER_BYTES + value.length, this.#end);
    this.#buffer.writeUInt16LE(type, this.#end + 2);
    this.#end += ATTRIBUTE_HEADER_BYTES;
    this.#bytes(value);
    while (this.#end % 4 !== 0) this.#end = this.#buffer.writeUInt8(0, this.#end);
    this.#close(this.#start);
  }

  #bytes(bytes: readonly number[]): void {
    for (const byte of bytes) this.#end = this.#buffer.writeUInt8(byte, this.#end);
  }

  #close(start: number): void {
    this.#buffer.writeUInt32LE(this.#end - start, start);
  }
}

/** An attribute as bytes, padded as all are, to be the value of another one or a part of it. */
export function attributeBytes(type: number, value: readonly number[]): number[] {
  const length = ATTRIBUTE_HEADER_BYTES + value.length;
  const padding = Array.from({ length: aligned(length) - length }, () => 0);
  return [length & 0xff, length >>> 8, type & 0xff, type >>> 8, ...value, ...padding];
}

/** A number as two bytes in network order. */
export function be16(value: number): number[] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

/** A number as four bytes in network order. */
export function be32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Where its content (after the header) begins and ends in the data. */
  readonly start: number;
  readonly end: number;
}

/** Calls `visit` for each whole message in `data`; false when something was left that is not one. */
export function eachMessage(data: Buffer, visit: (message: Message) => void): boolean {
  let offset = 0;
  while (data.length - offset >= HEADER_BYTES) {
    const length = data.readUInt32LE(offset);
    if (length < HEADER_BYTES || length > data.length - offset) return false;
    visit({
      type: data.readUInt16LE(offset + 4),
      flags: data.readUInt16LE(offset + 6),
      sequence: data.readUInt32LE(offset + 8),
      start: offset + HEADER_BYTES,
      end: offset + length,
    });
    offset += aligned(length);
  }
  return offset >= data.length;
}

/** Calls `visit` for each whole attribute in `data` from `start` to `end`; false when something was left that is not one. */
export function eachAttribute(
  data: Buffer,
  start: number,
  end: number,
  visit: (type: number, start: number, end: number) => void,
): boolean {
  let offset = start;
  while (end - offset >= ATTRIBUTE_HEADER_BYTES) {
    const length = data.readUInt16LE(offset);
    if (length < ATTRIBUTE_HEADER_BYTES || length > end - offset) return false;
    visit(data.readUInt16LE(offset + 2) & ATTRIBUTE_TYPE_MASK, offset + ATTRIBUTE_HEADER_BYTES, offset + length);
    offset += aligned(length);
  }
  return offset >= end;
}

/** The error number in an NLMSG_ERROR message: 0 for an acknowledgement, undefined when the message is cut short. */
export function readErrno(data: Buffer, message: Message): number | undefined {
  if (message.end - message.start < 4) return undefined;
  return Math.abs(data.readInt32LE(message.start));
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}
