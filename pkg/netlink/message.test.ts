import { describe, expect, it } from "vitest";
import { be16, be32, eachAttribute, eachMessage, type Message, MessageWriter, readErrno } from "./message.ts";

function messagesOf(data: Buffer): { messages: Message[]; whole: boolean } {
  const messages: Message[] = [];
  const whole = eachMessage(data, (message) => messages.push(message));
  return { messages, whole };
}

function attributesOf(data: Buffer): { attributes: [number, string][]; whole: boolean } {
  const attributes: [number, string][] = [];
  const whole = eachAttribute(data, 0, data.length, (type, start, end) => {
    attributes.push([type, data.toString("hex", start, end)]);
  });
  return { attributes, whole };
}

describe("MessageWriter", () => {
  it("writes header, fixed part and padded attributes", () => {
    const writer = new MessageWriter(Buffer.alloc(64, 0xee));
    writer.begin(0x0302, 5, 7);
    writer.fixed([0, 0, ...be16(258)]);
    writer.attribute(2, [...be32(256), 2]);
    expect(writer.written.toString("hex")).toBe(
      ["20000000", "0203", "0500", "07000000", "00000000", "0000", "0102", "0900", "0200", "00000100", "02", "000000"].join(""),
    );
  });

  it("writes several messages that are read back", () => {
    const writer = new MessageWriter(Buffer.alloc(128));
    for (const sequence of [1, 0xffff_ffff]) {
      writer.begin(0x0301, 1, sequence);
      writer.fixed(be32(5));
    }
    const { messages, whole } = messagesOf(writer.written);
    expect(whole).toBe(true);
    expect(messages.map(({ type, sequence, start, end }) => [type, sequence, start, end])).toEqual([
      [0x0301, 1, 16, 20],
      [0x0301, 0xffff_ffff, 36, 40],
    ]);
  });
});

describe("eachMessage", () => {
  it.each([
    ["a header cut short", "140000000200"],
    ["a length below that of a header", "0f000000020000000000000000000000"],
    ["a length beyond the data", "15000000020000000000000000000000aaaaaaaa"],
  ])("stops at %s", (_, hex) => {
    expect(messagesOf(Buffer.from(hex, "hex"))).toEqual({ messages: [], whole: false });
  });

  it("reads what comes before junk", () => {
    const { messages, whole } = messagesOf(Buffer.from("10000000030000000000000000000000" + "ffff", "hex"));
    expect(messages.map((each) => each.type)).toEqual([3]);
    expect(whole).toBe(false);
  });
});

describe("eachAttribute", () => {
  it("takes the flags off the type and passes over the padding", () => {
    const { attributes, whole } = attributesOf(Buffer.from("05000180ff000000" + "08000240" + "01020304", "hex"));
    expect(attributes).toEqual([
      [1, "ff"],
      [2, "01020304"],
    ]);
    expect(whole).toBe(true);
  });

  it.each([
    ["a length of zero", "00000100"],
    ["a length beyond the end", "09000100aabbccdd"],
    ["a header cut short", "0800"],
  ])("stops at %s", (_, hex) => {
    expect(attributesOf(Buffer.from(hex, "hex"))).toEqual({ attributes: [], whole: false });
  });
});

describe("readErrno", () => {
  it("tells acknowledgement, refusal and rubbish apart", () => {
    const data = Buffer.from("00000000" + "feffffff" + "00", "hex");
    const at = (start: number, end: number): Message => ({ type: 2, flags: 0, sequence: 0, start, end });
    expect(readErrno(data, at(0, 4))).toBe(0);
    expect(readErrno(data, at(4, 8))).toBe(2);
    expect(readErrno(data, at(6, 9))).toBeUndefined();
  });
});
