import fc from "fast-check";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { eachMessage, MessageWriter } from "./message.ts";
import { eachElement, readElementState, readGeneration, readPart } from "./ruleset-message.ts";

const NFTABLES = 10 << 8;
const INET = [1, 0, 0, 0];

fuzz(
  "what the kernel tells of its rules: whatever the bytes, no part of it is read beyond its end",
  fc.tuple(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 20 })),
  ([bytes, type]) => {
    const writer = new MessageWriter(Buffer.alloc(512));
    writer.begin(NFTABLES | type, 0, 1);
    writer.fixed(INET);
    const data = Buffer.concat([writer.written, bytes]);
    data.writeUInt32LE(data.length, 0);
    eachMessage(data, (each) => {
      readPart(data, each, "inet", "t");
      readGeneration(data, each);
      readElementState(data, each);
      eachElement(data, each, () => undefined);
    });
  },
);
