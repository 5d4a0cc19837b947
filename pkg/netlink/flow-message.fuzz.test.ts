import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { deleteQuestion, readFlow, readFlowName, TYPE_FLOW } from "./flow-message.ts";
import { attributeBytes, eachMessage, MessageWriter } from "./message.ts";

const NESTED = 0x8000;

/** Attributes of flows, cut short or with something else in them, some within others. */
const attribute: fc.Memo<number[]> = fc.memo((depth) => {
  const type = fc.tuple(fc.integer({ min: 0, max: 27 }), fc.boolean()).map(([of, nested]) => (nested ? of | NESTED : of));
  const bytes = fc.array(fc.nat(255), { maxLength: 5 }).map((words) => words.flatMap((each) => [each, 0, each, 1]));
  const value =
    depth <= 1
      ? bytes
      : fc.oneof(
          bytes,
          fc.array(attribute(), { maxLength: 3 }).map((all) => all.flat()),
        );
  return fc.tuple(type, value).map(([of, inner]) => attributeBytes(of, inner));
});

const message = fc.tuple(
  fc.array(attribute(4), { maxLength: 8 }).map((all) => all.flat()),
  fc.integer({ min: 0, max: 8 }),
);

fuzz(
  "what the kernel tells of connections: whatever the bytes, no part of it is read beyond its end",
  message,
  ([bytes, cut]) => {
    const writer = new MessageWriter(Buffer.alloc(64));
    writer.begin(TYPE_FLOW, 0, 1);
    writer.fixed([2, 0, 0, 0]);
    const whole = Buffer.concat([writer.written, Buffer.from(bytes)]);
    const data = whole.subarray(0, Math.max(16, whole.length - cut));
    data.writeUInt32LE(data.length, 0);
    eachMessage(data, (each) => {
      const flow = readFlow(data, each);
      if (flow !== undefined) {
        for (const { address, port } of [flow.source, flow.destination, flow.endpoint]) {
          assert.ok(address !== "" && port >= 0 && port < 65_536);
        }
      }
      const question = deleteQuestion(readFlowName(data, each), 1);
      assert.equal(question.readUInt32LE(0), question.length);
      assert.equal(question.length % 4, 0);
    });
  },
);
