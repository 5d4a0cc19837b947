import { expect, test } from "vitest";
import { quantile, ratio, summarize } from "./statistics.ts";

test("the median is the middle value, or the middle between two", () => {
  expect(quantile([5, 1, 3], 0.5)).toBe(3);
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
});

test("the ends are the lowest and the highest value", () => {
  expect(quantile([7, 3, 9], 0)).toBe(3);
  expect(quantile([7, 3, 9], 1)).toBe(9);
  expect(quantile([7], 0.99)).toBe(7);
});

test("between two values it is in proportion", () => {
  expect(quantile([0, 10], 0.99)).toBeCloseTo(9.9);
});

test("numbers are ordered as numbers, and the list is left as it was", () => {
  const values = [10, 9, 100];
  expect(quantile(values, 0.5)).toBe(10);
  expect(values).toEqual([10, 9, 100]);
});

test("nothing measured has no quantile", () => {
  expect(() => quantile([], 0.5)).toThrow(RangeError);
  expect(() => quantile([1], 1.5)).toThrow(RangeError);
  expect(() => quantile([1], NaN)).toThrow(RangeError);
});

test("a summary tells the spread", () => {
  expect(summarize([3, 1, 2])).toEqual({ median: 2, lowest: 1, highest: 3, count: 3 });
});

test("a ratio is taken round by round, so a slow round does not count", () => {
  expect(ratio([95, 19, 95], [100, 20, 100])).toBeCloseTo(0.95);
});

test("rounds that one of the two lacks are left out", () => {
  expect(ratio([1, 2, 3], [2])).toBe(0.5);
  expect(() => ratio([], [1])).toThrow(RangeError);
});
