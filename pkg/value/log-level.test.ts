import { describe, expect, it } from "vitest";
import { parseLogLevel } from "./log-level.ts";

describe("parseLogLevel", () => {
  it.each([
    ["DEBUG", -4],
    ["INFO", 0],
    ["WARN", 4],
    ["ERROR", 8],
    ["debug", -4],
    ["Info", 0],
    ["INFO+2", 2],
    ["info-1", -1],
    ["error-1", 7],
    ["WARN+0", 4],
    ["DEBUG-4", -8],
    ["INFO+007", 7],
  ])("reads %s", (text, level) => {
    expect(parseLogLevel(text)).toBe(level);
  });

  it.each([
    ["", /expected "DEBUG", "INFO", "WARN" or "ERROR"/],
    ["WARNING", /"WARNING" is not a log level/],
    ["trace", /expected "DEBUG"/],
    [" INFO", /expected "DEBUG"/],
    ["+2", /expected "DEBUG"/],
    ["4", /expected "DEBUG"/],
    ["INFO+", /the offset "\+" is not a whole number/],
    ["INFO+1.5", /offset/],
    ["INFO+-2", /offset/],
    ["INFO+2 ", /offset/],
    ["INFO +2", /expected "DEBUG"/],
    ["INFO+2\n", /offset/],
    ["INFO+99999999999999999999", /offset/],
  ])("refuses %j", (text, message) => {
    expect(() => parseLogLevel(text)).toThrow(message);
    expect(() => parseLogLevel(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }));
  });
});
