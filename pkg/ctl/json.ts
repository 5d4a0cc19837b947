import type { Codec, Scanner } from "./codec.ts";
import { junk, tooDeep, wrongStart } from "./junk.ts";
import { NESTING_LIMIT, type Packet, type RawPacket } from "./packet.ts";

const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** JSON objects, each followed by a newline when written; when read, by any white space or none. */
export const jsonCodec: Codec = {
  name: "json",

  encode(packet: Packet): Uint8Array {
    const text = JSON.stringify(packet);
    const length = Buffer.byteLength(text);
    // a status may be megabytes long: with the newline in the text, it would be copied once more
    const bytes = Buffer.allocUnsafe(length + 1);
    bytes.write(text);
    bytes[length] = NEWLINE;
    return bytes;
  },

  decode(bytes: Uint8Array): RawPacket {
    try {
      // begins with a brace, as the scanner has seen: an object or an error
      return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as RawPacket;
    } catch (error) {
      throw junk("the packet is not valid JSON", error);
    }
  },

  scanner: () => new JsonScanner(),
};

/** Follows strings and brackets only; all else about the syntax is left to JSON.parse. */
class JsonScanner implements Scanner {
  /** The closing brackets that are still to come. */
  readonly #closers: number[] = [];
  #inString = false;
  #escaped = false;

  skip(chunk: Uint8Array, from: number): number {
    let at = from;
    while (at < chunk.length && isSpace(chunk[at])) at++;
    return at;
  }

  scan(chunk: Uint8Array, from: number): number | undefined {
    if (this.#closers.length === 0 && chunk[from] !== OPEN_BRACE) throw wrongStart("json", chunk[from] ?? 0);
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at];
      if (this.#inString) this.#stringByte(byte);
      else if (byte === QUOTE) this.#inString = true;
      else if (byte === OPEN_BRACE) this.#open(CLOSE_BRACE);
      else if (byte === OPEN_BRACKET) this.#open(CLOSE_BRACKET);
      else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        if (this.#closers.pop() !== byte) throw junk("the packet is not valid JSON: brackets do not match");
        if (this.#closers.length === 0) return at + 1;
      }
    }
    return undefined;
  }

  #stringByte(byte: number | undefined): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) this.#inString = false;
  }

  #open(closer: number): void {
    if (this.#closers.length === NESTING_LIMIT) throw tooDeep();
    this.#closers.push(closer);
  }
}

function isSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === NEWLINE || byte === RETURN || byte === TAB;
}
