import { describe, expect, it } from "vitest";
import { textLine } from "./text-line.ts";

describe("a text line", () => {
  it.each([
    ["plain", "plain"],
    ["", '""'],
    ["two words", '"two words"'],
    ["a=b", '"a=b"'],
    ['say "hi"', '"say \\"hi\\""'],
    // slog leaves a lone backslash bare, and doubles it within quotes
    ["a\\b", "a\\b"],
    ["a\\b c", '"a\\\\b c"'],
    ["line\nbreak\ttab\r\x07", '"line\\nbreak\\ttab\\r\\a"'],
    ["\x1b[31m\x7f", '"\\x1b[31m\\x7f"'],
    ["\u0085\u009b\u2028\u00a0", '"\\u0085\\u009b\\u2028\\u00a0"'],
    ["größe", "größe"],
    ["日本 語", '"日本 語"'],
    ["\u{e0001}", '"\\U000e0001"'],
    ["\ud800", '"\\ud800"'],
    ["[::1]:80", "[::1]:80"],
  ])("quotes %j as slog does", (value, expected) => {
    expect(textLine({ key: value })).toBe(`key=${expected}`);
  });

  it("shows values that are not text", () => {
    expect(textLine({ n: 1.5, b: false, none: null, list: [1, "a b"] })).toBe('n=1.5 b=false none=<nil> list="[1,\\"a b\\"]"');
  });

  it("flattens groups and quotes their names where needed", () => {
    expect(textLine({ a: { b: { c: 1 }, "d e": 2 } })).toBe('a.b.c=1 "a.d e"=2');
  });
});
