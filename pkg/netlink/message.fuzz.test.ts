import assert from "node:assert/strict";
import fc from "fast-check";
import { describe } from "vitest";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { mutatedBytes } from "../../test/fuzz/mutation.ts";
import { be16, be32, eachAttribute, eachMessage, MessageWriter, readErrno } from "./message.ts";
import { configMessage, decodePacket, writeVerdict } from "./queue-message.ts";

/** Bytes around what is parsed, which must not be read. */
const AROUND = 16;

interface Attribute {
  readonly type: number;
  readonly value: readonly number[];
}

function packetMessage(attributes: readonly Attribute[]): Buffer {
  const writer = new MessageWriter(Buffer.alloc(2048));
  writer.begin(0x0300, 0, 0);
  writer.fixed([0, 0, ...be16(5)]);
  for (const { type, value } of attributes) writer.attribute(type, value);
  return Buffer.from(writer.written);
}

const PACKET = packetMessage([
  { type: 1, value: [...be32(41), ...be16(0x0800), 3] },
  { type: 3, value: be32(7) },
  { type: 5, value: be32(2) },
  { type: 13, value: be32(1500) },
  { type: 10, value: [0x45, 0, 0, 0x28, 1, 2, 3] },
]);
const VERDICTS = new MessageWriter(Buffer.alloc(128));
writeVerdict(VERDICTS, 5, 1, "accept", 4);
writeVerdict(VERDICTS, 5, 0xffff_ffff, "drop");
const ERROR = Buffer.from("24000000" + "02000000" + "07000000" + "00000000" + "feffffff" + "00".repeat(16), "hex");
const DATAGRAMS = [
  PACKET,
  Buffer.concat([PACKET, PACKET]),
  VERDICTS.written,
  ERROR,
  configMessage({ number: 5, copyRange: 256, maxLength: 100 }, 9),
];

interface Part {
  readonly start: number;
  readonly end: number;
}

/** Parts lie within `from` and `to`, in order, each behind a header of its own, and leave nothing over if they are all. */
function checkParts(parts: readonly Part[], from: number, to: number, header: number, whole: boolean): void {
  let next = from;
  for (const { start, end } of parts) {
    assert.equal(start, next + header);
    assert.ok(start <= end && end <= to, `${start} to ${end} within ${from} to ${to}`);
    next = start + ((end - start + 3) & ~3);
  }
  if (whole) assert.ok(next >= to);
  else assert.ok(to > next, "something was left over, or is said to be");
}

/** A list of parts that cannot grow without end. */
function collecting<P extends Part>(most: number): { parts: P[]; add: (part: P) => void } {
  const parts: P[] = [];
  const add = (part: P): void => {
    assert.ok(parts.length < most, "more parts than there is room for");
    parts.push(part);
  };
  return { parts, add };
}

describe("netlink", () => {
  fuzz("messages and attributes lie where they are said to, whatever the datagram", mutatedBytes(DATAGRAMS), (datagram) => {
    // as it lies in the buffer that the socket fills
    const data = Buffer.alloc(AROUND + datagram.length + AROUND, 0xff).subarray(AROUND, AROUND + datagram.length);
    datagram.copy(data);
    const messages = collecting<Part>(data.length / 16);
    const whole = eachMessage(data, (message) => {
      messages.add(message);
      const errno = readErrno(data, message);
      assert.equal(errno === undefined, message.end - message.start < 4);
      assert.ok((errno ?? 0) >= 0);
    });
    checkParts(messages.parts, 0, data.length, 16, whole);
    for (const { start, end } of messages.parts) {
      const from = Math.min(start + 4, end);
      const attributes = collecting<Part>(data.length / 4);
      const all = eachAttribute(data, from, end, (type, first, last) => {
        assert.ok(type >= 0 && type < 2 ** 14);
        attributes.add({ start: first, end: last });
      });
      checkParts(attributes.parts, from, end, 4, all);
    }
  });

  const attribute = fc
    .tuple(fc.nat(0x3fff), fc.array(fc.nat(255), { maxLength: 20 }))
    .map(([type, value]): Attribute => ({ type, value }));
  const list = fc.array(attribute, { maxLength: 6 });
  fuzz(
    "what the writer has written is read back",
    fc.tuple(fc.nat(0xffff), fc.nat(0xffff_ffff), list),
    ([type, sequence, all]) => {
      const writer = new MessageWriter(Buffer.alloc(512, 0xee));
      for (let twice = 0; twice < 2; twice++) {
        writer.begin(type, 5, sequence);
        for (const each of all) writer.attribute(each.type, each.value);
      }
      let count = 0;
      const data = writer.written;
      const whole = eachMessage(data, (message) => {
        count++;
        assert.equal(message.type, type);
        assert.equal(message.sequence, sequence);
        const read: Attribute[] = [];
        assert.ok(
          eachAttribute(data, message.start, message.end, (t, start, end) =>
            read.push({ type: t, value: [...data.subarray(start, end)] }),
          ),
        );
        assert.deepEqual(read, all);
      });
      assert.ok(whole && count === 2);
    },
  );
});

describe("packet messages", () => {
  fuzz("what is read of one lies within it, whatever the content", mutatedBytes([PACKET.subarray(16)]), (content) => {
    const data = Buffer.concat([Buffer.alloc(AROUND, 0xff), content, Buffer.alloc(AROUND, 0xff)]);
    const end = AROUND + content.length;
    const { id, packet } = decodePacket(data, AROUND, end);
    // the neighbours' bytes make no difference
    const alone = decodePacket(content, 0, content.length);
    assert.equal(alone.id, id);
    assert.deepEqual(alone.packet, packet);
    if (packet === undefined) return;
    assert.equal(packet.id, id);
    const from = packet.payload.byteOffset - data.byteOffset;
    assert.ok(from >= AROUND && from + packet.payload.length <= end);
    assert.ok(["prerouting", "input", "forward", "output", "postrouting"].includes(packet.hook));
    for (const each of [packet.id, packet.mark, packet.length, packet.inputInterface ?? 0, packet.outputInterface ?? 0])
      assert.ok(Number.isInteger(each) && each >= 0 && each <= 0xffff_ffff);
    assert.ok(packet.etherType >= 0 && packet.etherType <= 0xffff);
  });

  const number = fc.nat(0xffff_ffff);
  const fields = fc.record({
    id: number,
    mark: number,
    length: number,
    hook: fc.nat(4),
    payload: fc.array(fc.nat(255), { maxLength: 60 }),
  });
  fuzz(
    "every field is read, in whichever order and with whatever else beside it",
    fc.tuple(fields, fc.nat(3)),
    ([each, turn]) => {
      const attributes = [
        { type: 1, value: [...be32(each.id), ...be16(0x86dd), each.hook] },
        { type: 3, value: be32(each.mark) },
        { type: 99, value: [1, 2, 3] },
        { type: 13, value: be32(each.length) },
        { type: 10, value: each.payload },
      ];
      const message = packetMessage([...attributes.slice(turn), ...attributes.slice(0, turn)]);
      const { packet } = decodePacket(message, 16, message.length);
      assert.deepEqual(packet, {
        id: each.id,
        hook: ["prerouting", "input", "forward", "output", "postrouting"][each.hook],
        etherType: 0x86dd,
        mark: each.mark,
        inputInterface: undefined,
        outputInterface: undefined,
        payload: Buffer.from(each.payload),
        length: each.length,
      });
    },
  );
});
