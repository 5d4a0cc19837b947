import { describe, expect, it } from "vitest";
import { LineSplitter } from "./line-splitter.ts";

function split(limit: number, chunks: (string | Buffer)[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter(limit, (line) => lines.push(line));
  for (const chunk of chunks) splitter.push(Buffer.from(chunk));
  splitter.end();
  return lines;
}

describe("a line splitter", () => {
  it.each([
    [["a\nb\n"], ["a", "b"]],
    [
      ["a", "b\nc", "\n", "\n", "d"],
      ["ab", "c", "", "d"],
    ],
    [["a\r\n\r\nb\rc\n"], ["a", "", "b\rc"]],
    [[], []],
    [["\n"], [""]],
  ])("makes of %j lines %j", (chunks, expected) => {
    expect(split(100, chunks)).toEqual(expected);
  });

  it("keeps characters whole however the bytes come", () => {
    const bytes = Buffer.from("größe 日本 \u{1f600}\nx\n");
    for (let at = 0; at <= bytes.length; at++) {
      expect(split(100, [bytes.subarray(0, at), bytes.subarray(at)])).toEqual(["größe 日本 \u{1f600}", "x"]);
    }
    expect(
      split(
        100,
        [...bytes].map((byte) => Buffer.of(byte)),
      ),
    ).toEqual(["größe 日本 \u{1f600}", "x"]);
  });

  it("replaces what is not UTF-8", () => {
    expect(split(100, [Buffer.of(0x61, 0xff, 0x0a)])).toEqual(["a\ufffd"]);
  });

  it("cuts a long line and goes on with the next", () => {
    expect(split(4, ["abcd\nabcde\nab", "cdef", "gh\nx\nabcdef"])).toEqual([
      "abcd",
      "abcd [cut]",
      "abcd [cut]",
      "x",
      "abcd [cut]",
    ]);
  });

  it.each([
    ["aa\u{1f600}b", "aa [cut]"],
    ["aaaa\u{1f600}", "aaaa [cut]"],
    ["aaaé日", "aaaé [cut]"],
    ["aé日本", "aé [cut]"],
    ["aa日本", "aa日 [cut]"],
    ["\u{1f600}\u{1f600}", "\u{1f600} [cut]"],
  ])("cuts %s before a character that has no room", (line, expected) => {
    expect(split(5, [line])).toEqual([expected]);
  });
});
