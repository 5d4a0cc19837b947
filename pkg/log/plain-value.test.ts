import { describe, expect, it } from "vitest";
import { Fault } from "../fault/fault.ts";
import { plainFields, plainValue } from "./plain-value.ts";

describe("a plain value", () => {
  it.each([
    [new Fault("X", "outer", { cause: new Error("inner") }), "outer: inner"],
    [10n, "10"],
    [NaN, "NaN"],
    [new Date(0), "1970-01-01T00:00:00.000Z"],
    [new Map([["a", new Error("b")]]), { a: "b" }],
    [new Set([1, undefined]), [1, null]],
    [{ a: [{ b: 2 }] }, { a: [{ b: 2 }] }],
    [null, null],
  ])("of %o", (value, expected) => {
    expect(plainValue(value)).toEqual(expected);
  });

  it("ends a cycle", () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    expect(JSON.stringify(plainValue(cycle))).toBe('{"self":{"self":{"self":{"self":"..."}}}}');
  });
});

describe("plain fields", () => {
  it("leave out what is undefined and rename what a line has of itself", () => {
    expect(plainFields({ a: undefined, b: 1, msg: "m", level: 2, time: 3 })).toEqual({
      b: 1,
      "field.msg": "m",
      "field.level": 2,
      "field.time": 3,
    });
  });
});
