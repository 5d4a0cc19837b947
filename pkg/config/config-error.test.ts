import { describe, expect, it } from "vitest";
import { ConfigError, fileError } from "./config-error.ts";
import { Source } from "./source.ts";

describe("ConfigError", () => {
  const source = new Source("etc/x.yaml", "one: 1\r\n\ttwo: zwei\nthree: 3");

  it("prints as a compiler does: in order, each once, with the line and a caret", () => {
    const late = source.problem({ start: 14, end: 18 }, "two is wrong");
    const early = source.problem({ start: 0, end: 3 }, "one is wrong");
    const error = new ConfigError([late, early, { ...early }]);
    expect(error.format()).toBe(
      [
        "etc/x.yaml:1:1: one is wrong",
        "    1 | one: 1",
        "      | ^^^",
        "etc/x.yaml:2:7: two is wrong",
        "    2 | \ttwo: zwei",
        "      | \t     ^^^^",
        "2 problems",
      ].join("\n"),
    );
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.problems.map((each) => each.line)).toEqual([1, 2]);
    expect(error.message).toBe("etc/x.yaml:1:1: one is wrong (and 1 more)");
  });

  it("prints one about the file as a whole without a position", () => {
    expect(fileError("x.yaml", "there is no such file").format()).toBe("x.yaml: there is no such file");
  });
});

describe("an excerpt", () => {
  it("marks the end of the text", () => {
    const source = new Source("x", "ab");
    expect(source.problem({ start: 2, end: 2 }, "m")).toMatchObject({ line: 1, column: 3, excerpt: "    1 | ab\n      |   ^" });
  });

  it("marks no more than the line when the place goes on", () => {
    const source = new Source("x", "a: b\nc: d\n");
    expect(source.problem({ start: 3, end: 9 }, "m").excerpt).toBe("    1 | a: b\n      |    ^");
  });

  it("counts characters, not their parts", () => {
    const source = new Source("x", "😀😀: x");
    expect(source.problem({ start: 6, end: 7 }, "m")).toMatchObject({ column: 5, excerpt: "    1 | 😀😀: x\n      |     ^" });
  });

  it("shows a window of a long line", () => {
    const source = new Source("x", `${"a".repeat(500)}HERE${"b".repeat(500)}`);
    const [text = "", caret = ""] = source.problem({ start: 500, end: 504 }, "m").excerpt.split("\n");
    expect(text.slice(8)).toBe(`…${"a".repeat(60)}HERE${"b".repeat(55)}…`);
    expect(caret.slice(8)).toBe(`${" ".repeat(61)}^^^^`);
  });

  it("lets no control characters through to a terminal", () => {
    const source = new Source("x", "a: \u001b[31mred\u009b0m\n");
    const problem = source.problem({ start: 3, end: 4 }, 'what "\u001b[2J" is');
    expect(problem.excerpt + problem.message).not.toMatch(/[^\P{Cc}\n]/u);
    expect(problem.excerpt).toContain("\u{fffd}[31mred");
  });
});
