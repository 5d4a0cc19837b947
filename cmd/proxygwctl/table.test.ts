import { describe, expect, it } from "vitest";
import { cut, oneLine, widthOf } from "./cell-text.ts";
import { COLOURS, NO_COLOURS } from "./style.ts";
import { table } from "./table.ts";

describe("text of a cell", () => {
  it("can do nothing to a terminal", () => {
    expect(oneLine("a\x1b[31mb\u009bc\td")).toBe("a�[31mb�c�d");
    expect(oneLine("first \r\n second\u2028third\u202e")).toBe("first second�third�");
  });

  it.each([
    ["abc", 3],
    ["für", 3],
    ["cafe\u0301", 4],
    ["名前", 4],
    ["🙂!", 3],
  ])("%s takes %d columns", (text, width) => {
    expect(widthOf(text)).toBe(width);
  });

  it("is cut to what fits", () => {
    expect(cut("abcdef", 6)).toBe("abcdef");
    expect(cut("abcdef", 4)).toBe("abc…");
    expect(cut("名前名前", 4)).toBe("名…");
    expect(cut("ab", 0)).toBe("");
  });
});

describe("table", () => {
  const columns = [{ title: "NAME" }, { title: "COUNT", right: true as const }, { title: "MORE" }];

  it("has columns as wide as their widest cell, numbers to the right, notes below", () => {
    const rows = [{ cells: ["a", "5", "x"] }, { cells: ["名前名", "123456", "long enough"], notes: [{ text: "broken\nhere" }] }];
    expect(table(columns, rows, NO_COLOURS)).toEqual([
      "NAME     COUNT  MORE",
      "a            5  x",
      "名前名  123456  long enough",
      "  broken here",
    ]);
  });

  it("has no line wider than it may be", () => {
    const rows = [{ cells: ["abc", "1", "x".repeat(50)], notes: [{ text: "y".repeat(50) }] }];
    const lines = table(columns, rows, NO_COLOURS, 20);
    expect(lines.map(widthOf).every((width) => width <= 20)).toBe(true);
    expect(lines[1]).toBe("abc       1  xxxxxx…");
    expect(table(columns, rows, NO_COLOURS, 7)[1]).toBe("abc   …");
  });

  it("paints what a cell is to look like, and nothing that a cell says", () => {
    const rows = [{ cells: [{ text: "\x1b[0m", paint: COLOURS.red }, "1", "x"] }];
    expect(table(columns, rows, COLOURS)[1]).toBe("\x1b[31m�[0m\x1b[39m      1  x");
  });
});
