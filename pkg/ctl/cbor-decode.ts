import { INDEFINITE, Major } from "./cbor-scanner.ts";
import { junk } from "./junk.ts";

/*
 * Not cbor-x's decoder: that one has no strings of indefinite length, and it gives meaning to tags, so that a stranger's
 * bytes would make it build regular expressions and errors, compile functions, and keep state between packets.
 */

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes one item that CborScanner found well-formed: maps become plain objects, byte strings Uint8Array. Tags say how
 * to understand an item and are passed over. Integers beyond 2^53 lose precision, as in JSON.
 * @throws Fault CTL_JUNK: a map key that is no text, text that is no UTF-8
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  return new Decoder(bytes).item();
}

class Decoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  item(): unknown {
    for (;;) {
      const head = this.#view.getUint8(this.#at++);
      const major = head >> 5;
      const info = head & 0x1f;
      if (major === Major.simple) return this.#simple(info);
      const argument = this.#argument(info);
      switch (major) {
        case Major.unsigned:
          return argument;
        case Major.negative:
          return -1 - argument;
        case Major.bytes:
          return this.#string(argument);
        case Major.text:
          return this.#text(argument);
        case Major.array:
          return Array.from(this.#items(argument));
        case Major.map:
          return this.#map(argument);
      }
    }
  }

  /** NaN stands for an indefinite length. */
  #argument(info: number): number {
    if (info < 24) return info;
    if (info === INDEFINITE) return NaN;
    const size = 2 ** (info - 24);
    const at = this.#at;
    this.#at += size;
    if (size === 1) return this.#view.getUint8(at);
    if (size === 2) return this.#view.getUint16(at);
    if (size === 4) return this.#view.getUint32(at);
    return Number(this.#view.getBigUint64(at));
  }

  /** `count` items, or all up to the end mark. */
  *#items(count: number): Generator {
    if (Number.isNaN(count)) {
      while (!this.#ended()) yield this.item();
    } else {
      for (let index = 0; index < count; index++) yield this.item();
    }
  }

  #ended(): boolean {
    if (this.#bytes[this.#at] !== 0xff) return false;
    this.#at++;
    return true;
  }

  #string(length: number): Uint8Array {
    if (Number.isNaN(length)) return Buffer.concat([...this.#items(length)] as Uint8Array[]);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #text(length: number): string {
    if (Number.isNaN(length)) return [...this.#items(length)].join("");
    try {
      return utf8.decode(this.#string(length));
    } catch (error) {
      throw junk("a text string in the packet is not UTF-8", error);
    }
  }

  #map(pairs: number): unknown {
    const entries: [string, unknown][] = [];
    const items = this.#items(pairs * 2);
    for (const key of items) {
      if (typeof key !== "string") throw junk("a map in the packet has a key that is not text");
      entries.push([key, items.next().value]);
    }
    // defines properties, never assigns them: "__proto__" is a key like any other
    return Object.fromEntries(entries);
  }

  #simple(info: number): unknown {
    const at = this.#at;
    switch (info) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 24:
        this.#at += 1;
        return undefined;
      case 25:
        this.#at += 2;
        return float16(this.#view.getUint16(at));
      case 26:
        this.#at += 4;
        return this.#view.getFloat32(at);
      case 27:
        this.#at += 8;
        return this.#view.getFloat64(at);
      default:
        return undefined;
    }
  }
}

/** RFC 8949, appendix D. */
function float16(half: number): number {
  const exponent = (half >> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  const sign = half >> 15 === 1 ? -1 : 1;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  return sign * (mantissa + 1024) * 2 ** (exponent - 25);
}
