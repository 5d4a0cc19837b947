import { describe, expect, it } from "vitest";
import { ConfigError } from "./config-error.ts";
import { Source } from "./source.ts";
import { YamlDocument, type Path } from "./yaml-document.ts";

function read(text: string): YamlDocument {
  return new YamlDocument(new Source("f", text));
}

function errorsOf(text: string): string[] {
  try {
    return read(text).problems.map((each) => `${each.line}:${each.column} ${each.message}`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((each) => `${each.line}:${each.column} ${each.message}`);
  }
}

describe("the value of a document", () => {
  it.each([
    ["", undefined],
    ["# only a comment\n", undefined],
    ["---\n", null],
    ["\ufeffa: 1\n", { a: 1 }],
    ["a: 1\r\nb: [x, 'y', \"z\", ~, null, true, 0x10, 1.5]\r\n", { a: 1, b: ["x", "y", "z", null, null, true, 16, 1.5] }],
    ["a: yes\nb: 12:30:45\nc: 2020-01-01\nd: =\n", { a: "yes", b: "12:30:45", c: "2020-01-01", d: "=" }],
    ["%YAML 1.1\n---\na: yes\n", { a: "yes" }],
    ["a: |\n  x\n  y\nb: >-\n  x\n  y\n", { a: "x\ny\n", b: "x y" }],
    ["8080: x\ntrue: y\n~: z\n", { "8080": "x", true: "y", "~": "z" }],
    [
      "a: &x { p: 1 }\nb: *x\nc: { <<: *x, q: 2 }\nd: { p: 3, <<: *x }",
      { a: { p: 1 }, b: { p: 1 }, c: { p: 1, q: 2 }, d: { p: 3 } },
    ],
    ["a: &x { p: 1 }\nb: &y { p: 2, q: 2 }\nc: { <<: [*x, *y] }", { a: { p: 1 }, b: { p: 2, q: 2 }, c: { p: 1, q: 2 } }],
    ["a: &x 1\nb: &y { v: *x }\nc: &x 2\nd: *y\ne: *x", { a: 1, b: { v: 1 }, c: 2, d: { v: 1 }, e: 2 }],
    ['"<<": 1', { "<<": 1 }],
  ])("%j", (text, value) => {
    const document = read(text);
    expect(document.value).toEqual(value);
    expect(document.problems).toEqual([]);
  });

  it("has keys of its own only", () => {
    const { value } = read("__proto__: { a: 1 }\n") as { value: Record<string, unknown> };
    expect(Object.keys(value)).toEqual(["__proto__"]);
    expect(value.a).toBeUndefined();
  });
});

describe("what is wrong with a document", () => {
  it.each([
    ["a: 1\nb: 2\na: 3", '3:1 the key "a" is there twice; the first one is in line 1'],
    ["a: *x", '1:4 there is no anchor "&x" before this alias'],
    ["a: *x\nb: &x 1", '1:4 there is no anchor "&x" before this alias'],
    ["a: &x [1, *x]", '1:11 the alias "*x" stands for something that contains it'],
    ["a: &x { <<: *x }", '1:13 the alias "*x" stands for something that contains it'],
    ["a: !secret x", "1:4 YAML tags (!name) are not supported; leave it out"],
    ["a: !!binary aGk=", "1:4 YAML tags (!name) are not supported; leave it out"],
    ["[x]: 1", "1:1 a key must be plain text"],
    ["a: { <<: 5 }", '1:6 "<<" takes a mapping or a list of mappings, mostly an alias'],
    ["a: 1\n---\nb: 2\n", "3:1 a second YAML document begins here; a file holds one"],
    ["a: [1, 2", /^1:9 not valid YAML: flow sequence/],
    ["a: 'x", /^1:6 not valid YAML: missing closing 'quote/],
    ["\ta: 1", "1:1 not valid YAML: tabs are not allowed as indentation"],
    ["kind: static: cmd", /^1:7 not valid YAML: a second ": " in one line; put quotes around the text, or leave out the space/],
    ["a: 1\nlisten: [::1]:8080\nb: 1", '2:14 not valid YAML: an IPv6 address needs quotes here: "[::1]:8080"'],
    ["a: { listen: [2001:db8::1]:80, b: 2 }", /needs quotes here: "\[2001:db8::1\]:80"$/],
    ["a: '[::1]:80' x", /^1:15 not valid YAML: (?!an IPv6)/],
  ])("%j", (text, message) => {
    expect(errorsOf(text)).toEqual([typeof message === "string" ? message : (expect.stringMatching(message) as string)]);
  });

  it("finds several at once", () => {
    expect(errorsOf("a: 1\na: 2\nb: *x\nc: !t 3").map((each) => each.split(" ")[0])).toEqual(["4:4", "2:1", "3:4"]);
  });

  it.each([
    ["brackets", "[".repeat(5000)],
    ["closed brackets", "[".repeat(5000) + "]".repeat(5000)],
    ["mappings", "{a: ".repeat(5000)],
    ["sequences", "- ".repeat(5000)],
    ["keys", "? ".repeat(5000)],
    ["indentation", Array.from({ length: 1000 }, (_, index) => `${" ".repeat(index)}a:\n`).join("")],
  ])("refuses endless %s", (_, text) => {
    expect(errorsOf(text)).toEqual([expect.stringMatching(/nested more than 200 levels deep/)]);
  });

  it("refuses aliases that unfold without end", () => {
    const levels = Array.from({ length: 12 }, (_, index) => `l${index + 1}: &l${index + 1} [${`*l${index},`.repeat(10)}]`);
    expect(errorsOf(["l0: &l0 [x]", ...levels].join("\n"))).toEqual([expect.stringMatching(/too many values, or too deep/)]);
  });
});

describe("places", () => {
  const text = `a:
  - x: 1
    y: [p, q]
  - &z { k: v }
b: *z
c: { <<: *z, own: 1 }
d:
"1": one
`;
  const document = read(text);
  const marked = (path: Path, part: "key" | "value"): string => {
    const { start, end } = part === "key" ? document.keySpan(path) : document.valueSpan(path);
    return `${document.source.lineAt(start)} ${text.slice(start, end)}`;
  };

  it.each([
    [["a", 0, "x"], "2 1"],
    [["a", 0, "y", 1], "3 q"],
    [["a", 0], "2 x"],
    [["a", 0, "y"], "3 ["],
    [["a", 0, "missing"], "2 x"],
    [["a", 0, "x", "deeper", "still"], "2 1"],
    [["b", "k"], "4 v"],
    [["b"], "5 *z"],
    [["c", "k"], "4 v"],
    [["c", "own"], "6 1"],
    [["d"], "7 d"],
    [["d", "e"], "7 d"],
    [["1"], "8 one"],
    [["a", 7], "2 -"],
    [[], "1 a"],
  ] as [Path, string][])("of the value at %j", (path, expected) => {
    expect(marked(path, "value")).toBe(expected);
  });

  it.each([
    [["a", 0, "x"], "2 x"],
    [["c", "k"], "4 k"],
    [["1"], '8 "1"'],
    [["a", 1], "4 {"],
    [["b", "k"], "4 k"],
  ] as [Path, string][])("of the key at %j", (path, expected) => {
    expect(marked(path, "key")).toBe(expected);
  });

  it("of what stands under a key that is there twice: under the last one, which gives the value", () => {
    const twice = read("a: { x: 1 }\na: { y: 2 }\n");
    expect(twice.value).toEqual({ a: { y: 2 } });
    expect(twice.keySpan(["a", "y"])).toEqual({ start: 17, end: 18 });
    expect(twice.valueSpan(["a", "y"])).toEqual({ start: 20, end: 21 });
  });

  it("knows the order of keys, and what is written", () => {
    expect(document.keys([])).toEqual(["a", "b", "c", "d", "1"]);
    expect(document.keys(["a"])).toEqual([]);
    expect(document.holds(["a", 0, "y"])).toBe(true);
    expect(document.holds(["c", "k"])).toBe(true);
    expect(document.holds(["d"])).toBe(false);
    expect(document.holds(["e", "f"])).toBe(false);
  });
});
