import { decode } from "cbor-x/encode";
import { describe, expect, it } from "vitest";
import { cborCodec } from "./cbor.ts";
import { decodeCbor } from "./cbor-decode.ts";
import { CborScanner } from "./cbor-scanner.ts";

const LIMIT = 1024 * 1024;

function bytes(hex: string): Uint8Array {
  return Buffer.from(hex.replaceAll(" ", ""), "hex");
}

/** Wraps an item as the value of {"v": item}, since a packet is a map. */
function wrapped(hex: string): Uint8Array {
  return Buffer.concat([bytes("a1 6176"), bytes(hex)]);
}

function scanned(input: Uint8Array): number | undefined {
  return new CborScanner(LIMIT).scan(input, 0);
}

function decodedValue(hex: string): unknown {
  const input = wrapped(hex);
  expect(scanned(input)).toBe(input.length);
  return (decodeCbor(input) as { v: unknown }).v;
}

describe("CBOR: well-formed items", () => {
  // RFC 8949, appendix A
  it.each<[string, unknown]>([
    ["00", 0],
    ["17", 23],
    ["1818", 24],
    ["1903e8", 1000],
    ["1a000f4240", 1000000],
    ["1b000000e8d4a51000", 1000000000000],
    ["1bffffffffffffffff", 18446744073709551616],
    ["20", -1],
    ["3863", -100],
    ["3b000000e8d4a50fff", -1000000000000],
    ["f93c00", 1],
    ["f93e00", 1.5],
    ["f97bff", 65504],
    ["f90001", 5.960464477539063e-8],
    ["f9c400", -4],
    ["f97c00", Infinity],
    ["f97e00", NaN],
    ["fa47c35000", 100000],
    ["fb3ff199999999999a", 1.1],
    ["f4", false],
    ["f5", true],
    ["f6", null],
    ["f7", undefined],
    ["f0", undefined],
    ["f8ff", undefined],
    ["c11a514b67b0", 1363896240],
    ["d9d9f783010203", [1, 2, 3]],
    ["c1c2c300", 0],
    ["60", ""],
    ["6449455446", "IETF"],
    ["62c3bc", "ü"],
    ["64f0908591", "\u{10151}"],
    ["80", []],
    ["8301820203820405", [1, [2, 3], [4, 5]]],
    ["a0", {}],
    ["a26161016162820203", { a: 1, b: [2, 3] }],
    ["7f657374726561646d696e67ff", "streaming"],
    ["7fff", ""],
    ["9fff", []],
    ["9f018202039f0405ffff", [1, [2, 3], [4, 5]]],
    ["bf61610161629f0203ffff", { a: 1, b: [2, 3] }],
    ["bfff", {}],
    ["826161bf61626163ff", ["a", { b: "c" }]],
  ])("%s", (hex, value) => {
    expect(decodedValue(hex)).toEqual(value);
  });

  it("decodes byte strings, of indefinite length too", () => {
    expect([...(decodedValue("4401020304") as Uint8Array)]).toEqual([1, 2, 3, 4]);
    expect([...(decodedValue("5f42010243030405ff") as Uint8Array)]).toEqual([1, 2, 3, 4, 5]);
  });

  it("takes a packet marked as CBOR, and one of indefinite length", () => {
    for (const hex of ["d9d9f7 a2 626964 01 666d6574686f64 02", "bf 626964 01 666d6574686f64 02 ff"]) {
      expect(scanned(bytes(hex))).toBe(bytes(hex).length);
      expect(decodeCbor(bytes(hex))).toEqual({ id: 1, method: 2 });
    }
  });

  it("makes a harmless property of the key __proto__", () => {
    const input = bytes("a1 695f5f70726f746f5f5f a1 666861636b6564 f5");
    expect(scanned(input)).toBe(input.length);
    const value = decodeCbor(input) as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toEqual(["__proto__"]);
    expect("hacked" in value).toBe(false);
    expect("hacked" in {}).toBe(false);
  });
});

describe("CBOR: what is refused", () => {
  it.each([
    ["a1 00 1c", "byte 0x1c is reserved"],
    ["a1 00 fd", "byte 0xfd is reserved"],
    ["a1 00 1f", "cannot have an indefinite length"],
    ["a1 00 df", "cannot have an indefinite length"],
    ["a1 00 ff", "an end where nothing of indefinite length is open"],
    ["bf c1 ff", "an end where nothing of indefinite length is open"],
    ["bf 00 ff", "a map ends between key and value"],
    ["a1 00 f8 18", "simple value 24 takes one byte"],
    ["a1 00 5f 6161 ff", "holds something else than strings of its type"],
    ["a1 00 7f 7f", "holds something else than strings of its type"],
    ["a1 00 7f c1", "holds something else than strings of its type"],
    ["80", "which is a map"],
    ["01", "which is a map"],
    ["c1 01", "which is a map"],
    ["47", "found byte 0x47"],
  ])("%s: %s", (hex, message) => {
    expect(() => scanned(bytes(hex))).toThrow(expect.objectContaining({ code: "CTL_JUNK" }) as Error);
    expect(() => scanned(bytes(hex))).toThrow(message);
  });

  it("a length beyond the limit, at once", () => {
    for (const hex of ["a1 00 5a 00100001", "a1 00 7b ffffffffffffffff", "a1 00 9b 00000000ffffffff", "ba 00080001"]) {
      expect(() => scanned(bytes(hex))).toThrow(expect.objectContaining({ code: "CTL_TOO_LARGE" }) as Error);
    }
  });

  it("too deep a nesting, of tags too", () => {
    const nested = (levels: number): Uint8Array => Buffer.concat([wrapped(""), Buffer.alloc(levels - 1, 0x81), bytes("00")]);
    expect(scanned(nested(64))).toBe(nested(64).length);
    expect(() => scanned(nested(65))).toThrow("nested more than 64 levels deep");
    expect(() => scanned(Buffer.alloc(1000, 0xc1))).toThrow("nested more than 64 levels deep");
    expect(() => scanned(Buffer.alloc(1000, 0xbf))).toThrow("nested more than 64 levels deep");
  });

  it("text that is no UTF-8, and keys that are no text", () => {
    expect(() => decodeCbor(wrapped("61ff"))).toThrow("not UTF-8");
    expect(() => decodeCbor(bytes("a10102"))).toThrow("a key that is not text");
  });
});

describe("CBOR: against cbor-x", () => {
  it("writes what it reads, text keys and all", () => {
    const packet = { id: 4_000_000_000, method: 3, body: { closed: false, targets: [{ name: "a", endpoints: [] }] } };
    const written = cborCodec.encode(packet);
    expect(decode(written)).toEqual(packet);
    expect(decodeCbor(written)).toEqual(packet);
    expect(Buffer.from(cborCodec.encode({ id: 1, method: 2, body: {} })).toString("hex")).toBe(
      "a362696401666d6574686f640264626f6479a0",
    );
  });
});
