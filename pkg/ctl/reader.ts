import { Fault } from "../fault/fault.ts";
import type { Codec, Scanner } from "./codec.ts";
import { tooLarge } from "./junk.ts";
import type { RawPacket } from "./packet.ts";

const NOTHING = Buffer.alloc(0);

/**
 * Cuts a stream into packets, however it is split. Takes time linear in the bytes and memory bounded by the limit, plus
 * what was written and not yet read.
 */
export class PacketReader {
  readonly #codec: Codec;
  readonly #limit: number;
  readonly #scanner: Scanner;
  /** Written and not yet looked at. */
  #input: Uint8Array = NOTHING;
  /** Beginning of a packet that goes on in input still to come; filled up to #partialLength. */
  #partial: Buffer = NOTHING;
  #partialLength = 0;
  #failure: Fault | undefined;

  /** `limit`: bytes of the largest packet that is accepted. */
  constructor(codec: Codec, limit: number) {
    this.#codec = codec;
    this.#limit = limit;
    this.#scanner = codec.scanner(limit);
  }

  /** Adds what came in. Best called when read() has returned undefined: otherwise the rest is copied. */
  write(chunk: Uint8Array): void {
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
  }

  /**
   * The next packet, or undefined when none is complete.
   * @throws Fault CTL_JUNK, CTL_WRONG_CODEC, CTL_TOO_LARGE, then and at every call after it
   */
  read(): RawPacket | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return this.#next();
    } catch (error) {
      if (error instanceof Fault) {
        this.#failure = error;
        this.#input = this.#partial = NOTHING;
      }
      throw error;
    }
  }

  /** True when the stream stands between two packets. */
  get idle(): boolean {
    return this.#partialLength === 0 && this.#input.length === 0;
  }

  #next(): RawPacket | undefined {
    if (this.#partialLength === 0) this.#input = this.#input.subarray(this.#scanner.skip(this.#input, 0));
    if (this.#input.length === 0) return undefined;
    const end = this.#scanner.scan(this.#input, 0);
    if (this.#partialLength + (end ?? this.#input.length) > this.#limit) throw tooLarge(this.#limit);
    const bytes = this.#input.subarray(0, end);
    this.#input = end === undefined ? NOTHING : this.#input.subarray(end);
    if (end === undefined) {
      this.#keep(bytes);
      return undefined;
    }
    return this.#codec.decode(this.#joined(bytes));
  }

  #joined(last: Uint8Array): Uint8Array {
    if (this.#partialLength === 0) return last;
    this.#keep(last);
    const whole = this.#partial.subarray(0, this.#partialLength);
    this.#partial = NOTHING;
    this.#partialLength = 0;
    return whole;
  }

  /** The room doubles, so that a packet that comes byte by byte is copied a constant number of times. */
  #keep(bytes: Uint8Array): void {
    const needed = this.#partialLength + bytes.length;
    if (needed > this.#partial.length) {
      const roomier = Buffer.allocUnsafe(Math.max(needed, Math.min(this.#limit, 2 * this.#partial.length), 256));
      this.#partial.copy(roomier, 0, 0, this.#partialLength);
      this.#partial = roomier;
    }
    this.#partial.set(bytes, this.#partialLength);
    this.#partialLength = needed;
  }
}
