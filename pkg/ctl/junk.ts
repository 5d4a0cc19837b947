import { Fault } from "../fault/fault.ts";
import { NESTING_LIMIT, type CodecName } from "./packet.ts";

/** After one of these the rest of the stream cannot be cut into packets any more. */
export function junk(why: string, cause?: unknown): Fault {
  return new Fault("CTL_JUNK", why, cause === undefined ? {} : { cause });
}

export function tooDeep(): Fault {
  return junk(`the packet is nested more than ${NESTING_LIMIT} levels deep`);
}

export function tooLarge(limit: number): Fault {
  return new Fault("CTL_TOO_LARGE", `the packet is larger than ${limit} bytes`);
}

/** The first byte of a packet tells the codecs apart: each begins in a way that the other doesn't. */
export function wrongStart(expected: CodecName, byte: number): Fault {
  const names = { json: "JSON", cbor: "CBOR" };
  const found = codecThatStartsWith(byte);
  if (found !== undefined && found !== expected) {
    return new Fault("CTL_WRONG_CODEC", `expected a packet in ${names[expected]}, but this one looks like ${names[found]}`);
  }
  const start = expected === "json" ? 'an object and begins with "{"' : "a map";
  return junk(`expected a packet in ${names[expected]}, which is ${start}, but found byte ${hex(byte)}`);
}

function codecThatStartsWith(byte: number): CodecName | undefined {
  if (byte === 0x7b) return "json";
  // a map (major type 5), or the tag that marks data as CBOR (0xd9d9f7)
  if (byte >> 5 === 5 || byte === 0xd9) return "cbor";
  return undefined;
}

export function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
