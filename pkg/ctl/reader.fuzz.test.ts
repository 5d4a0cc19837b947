import assert from "node:assert/strict";
import fc from "fast-check";
import { describe } from "vitest";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { mutatedBytes } from "../../test/fuzz/mutation.ts";
import { Fault } from "../fault/fault.ts";
import { codecOf } from "./codecs.ts";
import { CODECS, type CodecName, type Packet, type RawPacket } from "./packet.ts";
import { PacketReader } from "./reader.ts";

/** Sizes of the parts in which a stream comes, over and over again. */
const steps = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 });

interface Outcome {
  readonly packets: RawPacket[];
  readonly fault: string | undefined;
  readonly idle: boolean;
}

/** What a reader makes of a stream that comes in parts. */
function outcome(name: CodecName, limit: number, stream: Buffer, sizes: readonly number[]): Outcome {
  const reader = new PacketReader(codecOf(name), limit);
  const packets: RawPacket[] = [];
  try {
    for (let at = 0, turn = 0; at < stream.length; turn++) {
      const end = at + (sizes[turn % sizes.length] ?? 1);
      reader.write(stream.subarray(at, end));
      at = end;
      for (let packet = reader.read(); packet !== undefined; packet = reader.read()) packets.push(packet);
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    assert.match(error.code, /^CTL_(JUNK|WRONG_CODEC|TOO_LARGE)$/);
    assert.throws(() => reader.read(), error, "a reader that has failed goes on failing");
    return { packets, fault: error.code, idle: false };
  }
  return { packets, fault: undefined, idle: reader.idle };
}

const WHOLE = [Infinity];

const body = fc.oneof(
  fc.constant(undefined),
  fc.jsonValue({ maxDepth: 2 }),
  fc.record({ name: fc.string({ unit: "binary", maxLength: 30 }) }),
);
const packet: fc.Arbitrary<Packet> = fc
  .tuple(fc.nat(0xffff_ffff), fc.nat(0xffff), body)
  .map(([id, method, inner]) => (inner === undefined ? { id, method } : { id, method, body: inner }));

const BODIES = [{}, { name: "backend" }, { name: 'a "quoted" \\ {[name]} ü', force: true }, [[[[1, -2.5]]], null, true]];

/** CBOR that the encoder does not write: indefinite lengths, tags, wide numbers, floats of 16 bits, __proto__. */
const FOREIGN = [
  "d9d9f7a2626964016 66d6574686f6402",
  "bf626964016 66d6574686f6408 64626f6479bf646e616d657f6161 6162ffffff",
  "a1695f5f70726f746f5f5fa1666861636b6564f5",
  "a3626964f97c00 666d6574686f641b0000000000000008 64626f64795f42010243030405ff",
  "a16161 9f9f9f81c1c200ffffff",
].map((hex) => Buffer.from(hex.replaceAll(" ", ""), "hex"));

const SAMPLES: Readonly<Record<CodecName, readonly Buffer[]>> = {
  json: [
    ...samples("json"),
    Buffer.from(' \t\r\n{"id":1}{"id":2}\n\n{"id":3} '),
    Buffer.from(String.raw`{"a}":"\"}]\\"}{"__proto__":[{"c":"\u007d\ud800"}]}`),
  ],
  cbor: [...samples("cbor"), ...FOREIGN],
};

function samples(name: CodecName): Buffer[] {
  const codec = codecOf(name);
  const each = BODIES.map((inner, id) => Buffer.from(codec.encode({ id, method: 8, body: inner })));
  return [...each, Buffer.concat(each)];
}

describe.each(CODECS)("PacketReader, %s", (name) => {
  const codec = codecOf(name);
  const gap = name === "json" ? 1 : 0;

  fuzz(
    "finds the packets that were written, up to the first that is larger than the limit",
    fc.tuple(fc.array(packet, { maxLength: 4 }), steps, fc.oneof(fc.nat(120), fc.constant(1_000_000))),
    ([sent, sizes, limit]) => {
      const encoded = sent.map((each) => Buffer.from(codec.encode(each)));
      const tooLarge = encoded.findIndex((each) => each.length - gap > limit);
      const found = outcome(name, limit, Buffer.concat(encoded), sizes);
      // as text, in which -0 is 0: so it is written
      assert.equal(JSON.stringify(found.packets), JSON.stringify(tooLarge === -1 ? sent : sent.slice(0, tooLarge)));
      assert.equal(found.fault, tooLarge === -1 ? undefined : "CTL_TOO_LARGE");
      assert.equal(found.idle, tooLarge === -1);
    },
  );

  fuzz(
    "finds the same in damaged packets and noise, however they are split",
    fc.tuple(mutatedBytes(SAMPLES[name]), steps, fc.constantFrom(16, 64, 1_000_000)),
    ([stream, sizes, limit]) => {
      const whole = outcome(name, limit, stream, WHOLE);
      const split = outcome(name, limit, stream, sizes);
      assert.deepEqual(split.packets, whole.packets);
      assert.equal(split.fault === undefined, whole.fault === undefined);
      assert.equal(split.idle, whole.idle);
      // below the limit, also why the rest is refused is the same
      if (stream.length <= limit) assert.equal(split.fault, whole.fault);
      for (const each of whole.packets) assert.equal(Object.getPrototypeOf(each), Object.prototype);
    },
  );
});
