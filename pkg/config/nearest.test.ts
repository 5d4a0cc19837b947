import { describe, expect, it } from "vitest";
import { listOf, nearest, quote, suggestion } from "./nearest.ts";

describe("nearest", () => {
  const keys = ["name", "kind", "idle_timeout", "endpoints", "options"];

  it.each([
    ["nmae", "name"],
    ["Kind", "kind"],
    ["idle_timout", "idle_timeout"],
    ["idletimeout", "idle_timeout"],
    ["endpoint", "endpoints"],
    ["opts", undefined],
    ["x", undefined],
    ["", undefined],
    ["completely", undefined],
  ])("of %j is %j", (word, expected) => {
    expect(nearest(word, keys)).toBe(expected);
  });

  it("is the first of several that are equally near", () => {
    expect(nearest("bat", ["cat", "hat", "bat2"])).toBe("cat");
  });
});

describe("texts for messages", () => {
  it("suggests, or lists what there is", () => {
    expect(suggestion("knd", "keys", ["kind"])).toBe('; did you mean "kind"?');
    expect(suggestion("other", "keys", ["a", "b"])).toBe('; known keys: "a" and "b"');
    expect(suggestion("other", "keys", [])).toBe("; there are no keys");
  });

  it("cuts long lists and long texts", () => {
    const many = Array.from({ length: 15 }, (_, index) => String(index));
    expect(listOf(many, "or")).toMatch(/^"0", "1", .*"11" and 3 more$/);
    expect(listOf(["a"], "or")).toBe('"a"');
    expect(quote("x".repeat(100))).toBe(`"${"x".repeat(60)}…"`);
    expect(quote("a\nb")).toBe('"a\\nb"');
  });
});
