import { describe, expect, it } from "vitest";
import { be16, be32, MessageWriter } from "./message.ts";
import { configMessage, decodePacket, VERDICT_BYTES, writeVerdict } from "./queue-message.ts";

/** A packet message's content: queue 5, then the attributes given. */
function content(attributes: readonly (readonly [number, readonly number[]])[]): Buffer {
  const writer = new MessageWriter(Buffer.alloc(512));
  writer.begin(0x0300, 0, 0);
  writer.fixed([0, 0, ...be16(5)]);
  for (const [type, value] of attributes) writer.attribute(type, value);
  return Buffer.from(writer.written.subarray(16));
}

const HEADER = [1, [...be32(41), ...be16(0x0800), 3]] as const;
const PAYLOAD = [10, [0x45, 0, 0]] as const;

describe("configMessage", () => {
  it("binds, sets copy range and length, and turns fail-open off and GSO on, to be acknowledged", () => {
    const message = configMessage({ number: 5, copyRange: 256, maxLength: 16_384 }, 9);
    expect(message.toString("hex")).toBe(
      [
        ["40000000", "0203", "0500", "09000000", "00000000", "0000", "0005"],
        ["0800", "0100", "01000000"],
        ["0900", "0200", "00000100", "02", "000000"],
        ["0800", "0300", "00004000"],
        ["0800", "0400", "00000005"],
        ["0800", "0500", "00000004"],
      ]
        .flat()
        .join(""),
    );
  });
});

describe("writeVerdict", () => {
  it("accepts, with the id as sequence number", () => {
    const writer = new MessageWriter(Buffer.alloc(VERDICT_BYTES));
    writeVerdict(writer, 5, 0x01020304, "accept");
    expect(writer.written.toString("hex")).toBe(
      ["20000000", "0103", "0100", "04030201", "00000000", "0000", "0005", "0c00", "0200", "00000001", "01020304"].join(""),
    );
  });

  it("drops", () => {
    const writer = new MessageWriter(Buffer.alloc(VERDICT_BYTES));
    writeVerdict(writer, 5, 1, "drop");
    expect(writer.written.toString("hex", 24)).toBe("00000000" + "00000001");
  });

  it("sets a mark of 32 bits, in the room that a verdict takes at most", () => {
    const writer = new MessageWriter(Buffer.alloc(VERDICT_BYTES));
    writeVerdict(writer, 5, 1, "accept", 0x8000_0001);
    expect(writer.written.length).toBe(VERDICT_BYTES);
    expect(writer.written.toString("hex", 32)).toBe("0800" + "0300" + "80000001");
  });
});

describe("decodePacket", () => {
  it("reads every field", () => {
    const data = content([HEADER, [3, be32(7)], [5, be32(2)], [6, be32(4)], [13, be32(1500)], [99, [1]], PAYLOAD]);
    expect(decodePacket(data, 0, data.length)).toEqual({
      id: 41,
      packet: {
        id: 41,
        hook: "output",
        etherType: 0x0800,
        mark: 7,
        inputInterface: 2,
        outputInterface: 4,
        payload: Buffer.from([0x45, 0, 0]),
        length: 1500,
      },
    });
  });

  it("takes the payload's length for the packet's, and 0 for the mark, where the kernel leaves them out", () => {
    const data = content([HEADER, PAYLOAD]);
    expect(decodePacket(data, 0, data.length).packet).toMatchObject({
      mark: 0,
      inputInterface: undefined,
      outputInterface: undefined,
      length: 3,
    });
  });

  it("shares the payload's memory", () => {
    const data = content([HEADER, PAYLOAD]);
    const { packet } = decodePacket(data, 0, data.length);
    data.fill(0xab);
    expect(packet?.payload.toString("hex")).toBe("ababab");
  });

  it.each([
    ["without payload", content([HEADER])],
    ["from an unknown hook", content([[1, [...be32(41), ...be16(0x0800), 9]], PAYLOAD])],
    ["with junk behind it", Buffer.concat([content([HEADER, PAYLOAD]), Buffer.from([9])])],
  ])("tells the id of a packet %s", (_, data) => {
    expect(decodePacket(data, 0, data.length)).toEqual({ id: 41, packet: undefined });
  });

  it.each([
    ["without header", content([PAYLOAD])],
    ["with its header cut short", content([[1, be32(41)], PAYLOAD])],
    ["without anything", Buffer.alloc(0)],
  ])("tells nothing of a packet %s", (_, data) => {
    expect(decodePacket(data, 0, data.length)).toEqual({ id: undefined, packet: undefined });
  });
});
