import { describe, expect, it } from "vitest";
import { Fault } from "../fault/fault.ts";
import { codecOf } from "./codecs.ts";
import { CODECS, REQUEST_LIMIT, type CodecName, type RawPacket } from "./packet.ts";
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

describe.each(CODECS)("PacketReader, %s", (name) => {
  const codec = codecOf(name);
  const packet = { id: 1, method: 8, body: { name: 'a "quoted" \\ {[name]} ü' } };

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
