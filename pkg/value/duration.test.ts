import { describe, expect, it } from "vitest";
import { hasCode } from "../fault/fault.ts";
import { formatDuration, parseDuration } from "./duration.ts";

describe("parseDuration", () => {
  it.each([
    ["0", 0],
    ["-0", 0],
    ["+0", 0],
    ["0s", 0],
    ["5m", 300_000],
    ["300ms", 300],
    ["1h30m", 5_400_000],
    ["1.5h", 5_400_000],
    [".5s", 500],
    ["1.s", 1000],
    ["-1.5h", -5_400_000],
    ["+5s", 5000],
    ["1h1m1s1ms1us1ns", 3_661_001.001001],
    ["10us", 0.01],
    ["10µs", 0.01],
    ["10μs", 0.01],
    ["1ns", 0.000001],
    ["00005s", 5000],
    ["30m1h", 5_400_000],
    ["0.9ns", 0],
    ["0.100000000000000000000h", 360_000],
    ["9223372036854775807ns", 9_223_372_036_854.775],
    ["-9223372036854775808ns", -9_223_372_036_854.775],
  ])("reads %s", (text, ms) => {
    expect(parseDuration(text)).toBeCloseTo(ms, 6);
  });

  it.each([
    ["", /expected a number and a unit/],
    ["-", /expected a number and a unit/],
    [".", /expected a number and a unit/],
    ["s", /expected a number and a unit/],
    [".s", /expected a number and a unit/],
    ["+-5s", /expected a number and a unit/],
    ["5", /a unit is missing after 5; write "5s"/],
    ["1h5", /a unit is missing after 5/],
    ["1.5", /a unit is missing/],
    ["00", /a unit is missing/],
    ["5 m", /unknown unit " m"/],
    ["5min", /unknown unit "min"; units are ns, us, ms, s, m, h/],
    ["1d", /unknown unit "d"/],
    ["5M", /unknown unit "M"/],
    ["1s ", /unknown unit "s "/],
    ["9223372036854775808ns", /longer than 292 years/],
    ["3000000h", /longer than 292 years/],
    ["99999999999999999999h", /longer than 292 years/],
  ])("refuses %j", (text, message) => {
    expect(() => parseDuration(text)).toThrow(message);
    expect(codeOf(() => parseDuration(text))).toBe(true);
  });
});

describe("formatDuration", () => {
  it.each([
    [0, "0s"],
    [300_000, "5m"],
    [5_400_000, "1h30m"],
    [3_600_000, "1h"],
    [1500, "1.5s"],
    [61_005, "1m1.005s"],
    [300, "300ms"],
    [0.5, "500us"],
    [1.5, "1.5ms"],
    [0.000001, "1ns"],
    [-90_000, "-1m30s"],
  ])("writes %d ms as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

/** True when `parse` succeeds or throws VALUE_INVALID. */
function codeOf(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    return hasCode(error, "VALUE_INVALID");
  }
}
