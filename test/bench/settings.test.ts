import { expect, test } from "vitest";
import { PARTS, parseSettings } from "./settings.ts";

test("without words everything is measured", () => {
  expect(parseSettings([])).toMatchObject({ parts: PARTS, short: false, rounds: 5 });
});

test("make passes what was not given as an empty value", () => {
  expect(parseSettings(["ONLY=", "ROUNDS=", "SHORT="])).toEqual(parseSettings([]));
});

test("parts are taken in their own order", () => {
  expect(parseSettings(["ONLY=scale,warm", "ROUNDS=3"])).toMatchObject({ parts: ["warm", "scale"], rounds: 3 });
});

test("the short way measures less", () => {
  expect(parseSettings(["SHORT=1"])).toMatchObject({ short: true, rounds: 1 });
  expect(parseSettings(["SHORT=0"]).short).toBe(false);
});

test.each(["ONLY=wram", "ONLY=warm,", "ROUNDS=0", "ROUNDS=1.5", "ROUNDS=many", "FAST=1", "warm"])("%s is refused", (word) => {
  expect(() => parseSettings([word])).toThrow(/is not understood/);
});
