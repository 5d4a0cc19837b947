import { expect, it } from "vitest";
import { formatAge } from "./age.ts";

it.each([
  [-5, "0ms"],
  [0, "0ms"],
  [104.4, "104ms"],
  [999, "999ms"],
  [1000, "1.0s"],
  [9949, "9.9s"],
  [9950, "10s"],
  [59_400, "59s"],
  [59_500, "1m"],
  [250_000, "4m10s"],
  [3_599_500, "1h"],
  [11_100_000, "3h5m"],
  [86_400_000, "1d"],
  [12 * 86_400_000 + 4.5 * 3_600_000, "12d4h"],
])("%d ms are %s", (ms, text) => {
  expect(formatAge(ms)).toBe(text);
});
