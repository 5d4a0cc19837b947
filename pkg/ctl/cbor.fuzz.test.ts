import assert from "node:assert/strict";
import { Encoder } from "cbor-x/encode";
import fc from "fast-check";
import { describe } from "vitest";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { Fault } from "../fault/fault.ts";
import { decodeCbor } from "./cbor-decode.ts";
import { CborScanner } from "./cbor-scanner.ts";

describe("CBOR", () => {
  // biased towards heads that open something
  const byte = fc.oneof(fc.nat(255), fc.constantFrom(0xa1, 0xbf, 0x9f, 0x7f, 0x5f, 0xff, 0x61, 0x00, 0xd8));

  fuzz(
    "what the scanner calls well-formed is decoded to its last byte, or refused",
    fc.array(byte, { maxLength: 60 }),
    (tail) => {
      const input = Uint8Array.from([0xa2, ...tail]);
      try {
        const end = new CborScanner(1000).scan(input, 0);
        if (end === undefined) return;
        assert.ok(end > 0 && end <= input.length);
        // behind its end is nothing that the decoder could read instead
        assert.equal(typeof decodeCbor(input.slice(0, end)), "object");
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        assert.match(error.code, /^CTL_(JUNK|TOO_LARGE)$/);
      }
    },
  );

  const encoder = new Encoder({ useRecords: false });
  const map = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 });
  const readBack = (value: unknown): void => {
    const input = encoder.encode(value);
    assert.equal(new CborScanner(1_000_000).scan(input, 0), input.length);
    // as text, in which -0 is 0: cbor-x writes it so
    assert.equal(JSON.stringify(decodeCbor(input)), JSON.stringify(value));
  };
  fuzz("what cbor-x writes is read as it was meant", map, readBack, { share: 0.2 });
});
