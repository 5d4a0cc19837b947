import { describe, expect, it } from "vitest";
import { LONGEST_WAIT_MS, parseRetryAfter } from "./retry-after.ts";

const NOW = new Date("2026-01-02T03:04:05Z");

describe("Retry-After", () => {
  it.each([
    ["120", 120_000],
    [" 0 ", 0],
    ["Fri, 02 Jan 2026 03:05:05 GMT", 60_000],
    ["Fri, 02 Jan 2026 03:00:00 GMT", 0],
    ["99999999", LONGEST_WAIT_MS],
    ["soon", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("%s means %s", (value, ms) => {
    expect(parseRetryAfter(value, NOW)).toBe(ms);
  });
});
