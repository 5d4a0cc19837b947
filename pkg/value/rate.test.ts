import { describe, expect, it } from "vitest";
import { parseRate } from "./rate.ts";

describe("parseRate", () => {
  it.each([
    ["5/1m", 5, 60_000],
    ["1/168h", 1, 604_800_000],
    ["1000000/1ms", 1_000_000, 1],
    ["100/1h30m", 100, 5_400_000],
    ["5/m", 5, 60_000],
    ["5/s", 5, 1000],
  ])("reads %s", (text, count, perMs) => {
    expect(parseRate(text)).toEqual({ count, perMs });
  });

  it.each([
    ["", /expected a count and a duration, such as "5\/1m"/],
    ["5", /expected a count and a duration/],
    ["/1m", /expected a count/],
    ["-5/1m", /expected a count/],
    ["5.5/1m", /expected a count/],
    ["0/1m", /the count is 1 to 1000000/],
    ["1000001/1m", /the count is 1 to 1000000/],
    ["5/60", /a unit is missing after 60; write "60s"/],
    ["5/", /"" is not a duration/],
    ["5/d", /"d" is not a duration/],
    ["5/0s", /the duration is at least 1ms/],
    ["5/-1m", /the duration is at least 1ms/],
    ["1/169h", /one a week \(168h\) is the slowest/],
  ])("refuses %j", (text, message) => {
    expect(() => parseRate(text)).toThrow(message);
    expect(() => parseRate(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }));
  });
});
