/**
 * Package ctl: the language of the control socket.
 *
 * Owns packets, method numbers, the two codecs and the cutting of a byte stream into packets; server and client share
 * it. Must not open sockets, and must not know what a method does.
 */
import { Fault } from "../fault/fault.ts";

/** One message in either direction. A response carries the `id` of its request. */
export interface Packet {
  /** Chosen by the client, 0 to 2^32 - 1. An error response to what can't be attributed to a request has 0. */
  readonly id: number;
  /** 0 to 65535, see Method. */
  readonly method: number;
  readonly body?: unknown;
}

/** A decoded packet whose fields nobody has looked at yet. */
export type RawPacket = Readonly<Record<string, unknown>>;

export type CodecName = "json" | "cbor";
export const CODECS: readonly CodecName[] = ["json", "cbor"];

export const DEFAULT_SOCKET = "/run/proxygw.sock";
export const DEFAULT_CODEC: CodecName = "json";

/** Bytes of the largest packet that the daemon accepts. */
export const REQUEST_LIMIT = 1024 * 1024;
/** Bytes of the largest packet that a client accepts: the status of 10,000 frontends takes about 4 MiB. */
export const RESPONSE_LIMIT = 64 * 1024 * 1024;
/** Objects and arrays within each other, the packet itself included. */
export const NESTING_LIMIT = 64;

/** @throws Fault CTL_PACKET_INVALID: `id` or `method` is missing or is no such number */
export function parsePacket(raw: RawPacket): Packet {
  const id = field(raw, "id", 0xffff_ffff);
  const method = field(raw, "method", 0xffff);
  return { id, method, body: Object.hasOwn(raw, "body") ? raw["body"] : undefined };
}

/** The id to answer with: that of the packet, or 0 when it has none that is valid. */
export function idOf(raw: RawPacket): number {
  const id = Object.hasOwn(raw, "id") ? raw["id"] : undefined;
  return isUnsigned(id, 0xffff_ffff) ? id : 0;
}

function field(raw: RawPacket, name: string, max: number): number {
  if (!Object.hasOwn(raw, name)) throw new Fault("CTL_PACKET_INVALID", `the packet has no "${name}"`);
  const value = raw[name];
  if (!isUnsigned(value, max)) {
    throw new Fault("CTL_PACKET_INVALID", `"${name}" of the packet is not a whole number from 0 to ${max}`);
  }
  return value;
}

function isUnsigned(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}
