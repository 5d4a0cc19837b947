import type { CodecName, Packet, RawPacket } from "./packet.ts";

/** How packets are written as bytes. */
export interface Codec {
  readonly name: CodecName;
  encode(packet: Packet): Uint8Array;
  /** Decodes the bytes of one whole packet, as its scanner cut them. @throws Fault CTL_JUNK */
  decode(bytes: Uint8Array): RawPacket;
  /** A scanner for one stream. */
  scanner(limit: number): Scanner;
}

/** Finds where packets end, in one pass over the stream: each byte is looked at once, however the stream is split. */
export interface Scanner {
  /** Index of the first byte at or after `from` that belongs to a packet; to be called between packets only. */
  skip(chunk: Uint8Array, from: number): number;
  /**
   * Goes on with the packet under way, or starts one, at `from`. Returns the index after its last byte, or undefined
   * when it goes on beyond the chunk.
   * @throws Fault CTL_JUNK, CTL_WRONG_CODEC, CTL_TOO_LARGE; the scanner is of no use afterwards
   */
  scan(chunk: Uint8Array, from: number): number | undefined;
}
