import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Fault } from "../fault/fault.ts";
import { codecOf } from "./codecs.ts";
import { CODECS, REQUEST_LIMIT, type CodecName, type Packet, type RawPacket } from "./packet.ts";
import { PacketReader } from "./reader.ts";

function readerOf(codec: CodecName, limit = REQUEST_LIMIT): PacketReader {
  return new PacketReader(codecOf(codec), limit);
}

function readAll(reader: PacketReader): RawPacket[] {
  const packets: RawPacket[] = [];
  for (let packet = reader.read(); packet !== undefined; packet = reader.read()) packets.push(packet);
  return packets;
}

function text(reader: PacketReader, input: string): RawPacket[] {
  reader.write(Buffer.from(input));
  return readAll(reader);
}

const packets: fc.Arbitrary<Packet[]> = fc.array(
  fc.record({
    id: fc.nat(0xffff_ffff),
    method: fc.nat(0xffff),
    body: fc.oneof(fc.jsonValue({ maxDepth: 4 }), fc.record({ name: fc.string({ unit: "binary" }) })),
  }),
  { maxLength: 8 },
);

/** Cuts `stream` at the given fractions of its length. */
function split(stream: Buffer, fractions: readonly number[]): Buffer[] {
  const cuts = [0, ...fractions.map((each) => Math.floor(each * stream.length)).sort((a, b) => a - b), stream.length];
  return cuts.slice(1).map((end, index) => stream.subarray(cuts[index], end));
}

describe.each(CODECS)("PacketReader, %s", (name) => {
  const codec = codecOf(name);
  const packet = { id: 1, method: 8, body: { name: 'a "quoted" \\ {[name]} ü' } };

  it("finds the same packets wherever the stream is split", () => {
    fc.assert(
      fc.property(packets, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 }), (sent, fractions) => {
        const reader = readerOf(name);
        const received: RawPacket[] = [];
        for (const chunk of split(Buffer.concat(sent.map((each) => codec.encode(each))), fractions)) {
          reader.write(chunk);
          received.push(...readAll(reader));
        }
        expect(JSON.stringify(received)).toBe(JSON.stringify(sent));
        expect(reader.idle).toBe(true);
      }),
    );
  });

  it("finds a packet that comes byte by byte, with its last byte and no earlier", () => {
    const reader = readerOf(name);
    const stream = Buffer.from(codec.encode(packet)).subarray(0, name === "json" ? -1 : undefined);
    for (const [index, byte] of stream.entries()) {
      reader.write(Buffer.of(byte));
      const found = reader.read();
      expect(reader.idle).toBe(index === stream.length - 1);
      expect(found).toEqual(index === stream.length - 1 ? packet : undefined);
    }
  });

  it("hands out packets one at a time, also when more is written in between", () => {
    const reader = readerOf(name);
    const stream = Buffer.concat([1, 2, 3].map((id) => codec.encode({ id, method: 2 })));
    reader.write(stream.subarray(0, -3));
    expect(reader.read()).toEqual({ id: 1, method: 2 });
    reader.write(stream.subarray(-3));
    expect(readAll(reader)).toEqual([
      { id: 2, method: 2 },
      { id: 3, method: 2 },
    ]);
  });

  it("takes linear time for the largest packet that comes byte by byte", () => {
    const overhead = codec.encode({ id: 1, method: 2, body: "x".repeat(70_000) }).length - 70_000 - (name === "json" ? 1 : 0);
    const largest = { id: 1, method: 2, body: "x".repeat(REQUEST_LIMIT - overhead) };
    const reader = readerOf(name);
    let found: RawPacket | undefined;
    for (const byte of codec.encode(largest)) {
      reader.write(Uint8Array.of(byte));
      found ??= reader.read();
    }
    expect(found).toEqual(largest);
  }, 10_000);

  it("refuses a packet that is one byte larger than the limit, whole or in parts", () => {
    const encoded = codec.encode(packet);
    const size = encoded.length - (name === "json" ? 1 : 0);
    const roomy = readerOf(name, size);
    roomy.write(encoded);
    expect(roomy.read()).toEqual(packet);
    for (const step of [1, 7, 1000]) {
      const reader = readerOf(name, size - 1);
      expect(() => {
        for (let at = 0; at < encoded.length; at += step) {
          reader.write(encoded.subarray(at, at + step));
          readAll(reader);
        }
      }).toThrow(expect.objectContaining({ code: "CTL_TOO_LARGE" }) as Error);
    }
  });

  it("hands out what came before junk, then fails, then goes on failing", () => {
    const reader = readerOf(name);
    reader.write(Buffer.concat([codec.encode(packet), Buffer.from("junk"), codec.encode(packet)]));
    expect(reader.read()).toEqual(packet);
    expect(() => reader.read()).toThrow(expect.objectContaining({ code: "CTL_JUNK" }) as Error);
    reader.write(codec.encode(packet));
    expect(() => reader.read()).toThrow(expect.objectContaining({ code: "CTL_JUNK" }) as Error);
  });

  it("recognizes the other codec by its first byte", () => {
    const other = codecOf(name === "json" ? "cbor" : "json");
    const reader = readerOf(name);
    reader.write(other.encode(packet).subarray(0, 1));
    expect(() => reader.read()).toThrow(expect.objectContaining({ code: "CTL_WRONG_CODEC" }) as Error);
  });

  it("throws nothing but a Fault, whatever comes, and however it is split", () => {
    const start = name === "json" ? [0x7b] : [0xa3];
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), fc.boolean(), (chunks, plausible) => {
        const reader = readerOf(name, 100);
        try {
          for (const chunk of plausible ? [Uint8Array.from(start), ...chunks] : chunks) {
            reader.write(chunk);
            for (const found of readAll(reader)) expect(typeof found).toBe("object");
          }
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      }),
      { numRuns: 5000 },
    );
  });

  it("reads the same from damaged packets in one piece and byte by byte", () => {
    const outcome = (stream: Uint8Array, step: number): string => {
      const reader = readerOf(name);
      const found: unknown[] = [];
      try {
        for (let at = 0; at < stream.length; at += step) {
          reader.write(stream.subarray(at, at + step));
          for (let each = reader.read(); each !== undefined; each = reader.read()) found.push(JSON.stringify(each));
        }
      } catch (error) {
        expect(error).toBeInstanceOf(Fault);
        found.push((error as Fault).message);
      }
      return found.join("\n");
    };
    fc.assert(
      fc.property(packets, fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255), (sent, where, byte) => {
        const stream = Buffer.concat(sent.map((each) => codec.encode(each)));
        if (stream.length > 0) stream[Math.floor(where * stream.length)] = byte;
        expect(outcome(stream, 1)).toBe(outcome(stream, 1_000_000));
      }),
      { numRuns: 500 },
    );
  });
});

describe("PacketReader, JSON text", () => {
  it("accepts any white space between packets, or none", () => {
    const reader = readerOf("json");
    expect(text(reader, ' \t\r\n{"id":1}{"id":2}\n\n{"id":3} ')).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
    expect(reader.idle).toBe(true);
  });

  it("does not count the white space in between", () => {
    const reader = readerOf("json", 10);
    expect(text(reader, `${" ".repeat(1000)}{"id":1}${"\n".repeat(1000)}`)).toEqual([{ id: 1 }]);
  });

  it("is not misled by brackets and quotes within strings", () => {
    expect(text(readerOf("json"), String.raw`{"a}":"\"}]\\"}{"b":[{"c":"\u007d"}]}`)).toEqual([
      { "a}": '"}]\\' },
      { b: [{ c: "}" }] },
    ]);
  });

  it.each([
    ["1", 'begins with "{", but found byte 0x31'],
    ["[1]", "found byte 0x5b"],
    ['"text"', "found byte 0x22"],
    ["GET / HTTP/1.1", "found byte 0x47"],
    ['{"id":1]', "brackets do not match"],
    ['{"id":}', "the packet is not valid JSON"],
    ["{id:1}", "the packet is not valid JSON"],
    ['{"a":'.repeat(65), "nested more than 64 levels deep"],
    [`{"a":${"[".repeat(64)}`, "nested more than 64 levels deep"],
  ])("refuses %s", (input, message) => {
    expect(() => text(readerOf("json"), input)).toThrow(message);
    expect(() => text(readerOf("json"), input)).toThrow(Fault);
  });

  it("refuses bytes that are no UTF-8", () => {
    const reader = readerOf("json");
    reader.write(Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff), Buffer.from('"}')]));
    expect(() => reader.read()).toThrow("not valid JSON");
  });

  it("makes a harmless property of the key __proto__", () => {
    const [packet] = text(readerOf("json"), '{"__proto__":{"hacked":true}}');
    expect(Object.keys(packet ?? {})).toEqual(["__proto__"]);
    expect("hacked" in {}).toBe(false);
  });
});
