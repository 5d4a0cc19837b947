import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { deleteQuestion, readFlow, readFlowName } from "./flow-message.ts";
import { flowSample } from "./flow-sample.ts";
import { eachMessage } from "./message.ts";

const SAMPLE = flowSample(1, 40_000);
const HEADER_BYTES = 16;

/** A connection with some bytes that are others, and the end missing. */
const message = fc.record({
  changes: fc.array(fc.tuple(fc.integer({ min: HEADER_BYTES, max: SAMPLE.length - 1 }), fc.nat(255)), { maxLength: 4 }),
  length: fc.oneof({ weight: 3, arbitrary: fc.constant(SAMPLE.length) }, fc.integer({ min: HEADER_BYTES, max: SAMPLE.length })),
});

fuzz(
  "what the kernel tells of connections: whatever the bytes, no part of it is read beyond its end",
  message,
  ({ changes, length }) => {
    const data = Buffer.from(SAMPLE.subarray(0, length));
    for (const [at, byte] of changes) if (at < length) data.writeUInt8(byte, at);
    data.writeUInt32LE(length, 0);
    eachMessage(data, (each) => {
      const flow = readFlow(data, each);
      if (flow === undefined) return;
      for (const { address, port } of [flow.source, flow.destination, flow.endpoint]) {
        assert.ok(address !== "" && port >= 0 && port < 65_536);
      }
      assert.ok(flow.timeoutSeconds === undefined || Number.isSafeInteger(flow.timeoutSeconds));
      const question = deleteQuestion(readFlowName(data, each), 1);
      assert.equal(question.readUInt32LE(0), question.length);
      assert.equal(question.length % 4, 0);
    });
  },
);
