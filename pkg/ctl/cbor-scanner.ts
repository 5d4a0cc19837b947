import type { Scanner } from "./codec.ts";
import { hex, junk, tooDeep, tooLarge, wrongStart } from "./junk.ts";
import { NESTING_LIMIT } from "./packet.ts";

/** Major types of RFC 8949, section 3.1. */
export const Major = {
  unsigned: 0,
  negative: 1,
  bytes: 2,
  text: 3,
  array: 4,
  map: 5,
  tag: 6,
  simple: 7,
} as const;

/** Additional information that means "indefinite length", or, with major type 7, the end of such a thing. */
export const INDEFINITE = 31;

/** Something that has begun and holds further items. */
interface Container {
  readonly major: number;
  readonly indefinite: boolean;
  /** Items still to come, keys and values of a map each counted; of an indefinite one, minus those that have come. */
  left: number;
}

/** Checks well-formedness (RFC 8949, appendix C) without recursion, and can stop at any byte. */
export class CborScanner implements Scanner {
  readonly #limit: number;
  readonly #containers: Container[] = [];
  /** Tags read whose item has not begun. */
  #tags = 0;
  /** Bytes of a string still to pass over. */
  #string = 0;
  /** First byte of the head under way, and its argument so far. */
  #head = 0;
  #argument = 0;
  #argumentLeft = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** A CBOR sequence has nothing between its items. */
  skip(_chunk: Uint8Array, from: number): number {
    return from;
  }

  scan(chunk: Uint8Array, from: number): number | undefined {
    for (let at = from; at < chunk.length;) {
      if (this.#string > 0) {
        const passed = Math.min(this.#string, chunk.length - at);
        this.#string -= passed;
        at += passed;
        if (this.#string === 0 && this.#itemDone()) return at;
        continue;
      }
      const byte = chunk[at++] ?? 0;
      if (this.#argumentLeft > 0) {
        this.#argument = this.#argument * 256 + byte;
        if (--this.#argumentLeft === 0 && this.#headDone()) return at;
      } else if (this.#headBegins(byte)) {
        return at;
      }
    }
    return undefined;
  }

  /** These three return true when the packet is complete. */
  #headBegins(byte: number): boolean {
    const major = byte >> 5;
    const info = byte & 0x1f;
    const parent = this.#containers.at(-1);
    if (parent === undefined && major !== Major.map && major !== Major.tag) throw wrongStart("cbor", byte);
    if (parent !== undefined && isChunked(parent) && byte !== 0xff && (major !== parent.major || info === INDEFINITE)) {
      throw malformed("a string of indefinite length holds something else than strings of its type");
    }
    this.#head = byte;
    this.#argument = info;
    if (info === INDEFINITE) return this.#indefinite(major);
    if (info > 27) throw malformed(`byte ${hex(byte)} is reserved`);
    if (info < 24) return this.#headDone();
    this.#argument = 0;
    this.#argumentLeft = 2 ** (info - 24);
    return false;
  }

  #headDone(): boolean {
    const major = this.#head >> 5;
    const argument = this.#argument;
    switch (major) {
      case Major.bytes:
      case Major.text:
        this.#bound(argument);
        this.#string = argument;
        return argument === 0 && this.#itemDone();
      case Major.array:
        return this.#begin({ major, indefinite: false, left: argument });
      case Major.map:
        return this.#begin({ major, indefinite: false, left: argument * 2 });
      case Major.tag:
        if (++this.#tags > NESTING_LIMIT) throw tooDeep();
        return false;
      case Major.simple:
        if ((this.#head & 0x1f) === 24 && argument < 32) throw malformed(`simple value ${argument} takes one byte, not two`);
        return this.#itemDone();
      default:
        return this.#itemDone();
    }
  }

  #indefinite(major: number): boolean {
    if (major !== Major.simple) {
      if (major === Major.unsigned || major === Major.negative || major === Major.tag) {
        throw malformed("a number or tag cannot have an indefinite length");
      }
      return this.#begin({ major, indefinite: true, left: 0 });
    }
    const container = this.#containers.at(-1);
    if (container?.indefinite !== true || this.#tags > 0) throw malformed("an end where nothing of indefinite length is open");
    if (container.major === Major.map && container.left % 2 !== 0) throw malformed("a map ends between key and value");
    this.#containers.pop();
    return this.#itemDone();
  }

  #begin(container: Container): boolean {
    this.#bound(container.left);
    if (this.#containers.length === NESTING_LIMIT) throw tooDeep();
    this.#tags = 0;
    this.#containers.push(container);
    return !container.indefinite && container.left === 0 && this.#containerDone();
  }

  #containerDone(): boolean {
    this.#containers.pop();
    return this.#itemDone();
  }

  #itemDone(): boolean {
    this.#tags = 0;
    for (;;) {
      const container = this.#containers.at(-1);
      if (container === undefined) return true;
      container.left--;
      if (container.indefinite || container.left > 0) return false;
      this.#containers.pop();
    }
  }

  /** A length that cannot fit is refused at once, not after the stream has been read up to the limit. */
  #bound(length: number): void {
    if (length > this.#limit) throw tooLarge(this.#limit);
  }
}

function isChunked(container: Container): boolean {
  return container.major === Major.bytes || container.major === Major.text;
}

function malformed(why: string): Error {
  return junk(`the packet is not well-formed CBOR: ${why}`);
}
