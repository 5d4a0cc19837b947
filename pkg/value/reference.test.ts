import { describe, expect, it } from "vitest";
import { formatReference, parseName, parseReference } from "./reference.ts";

describe("parseReference", () => {
  it.each(["static:cmd", "my target:http port", "ünï/çode:1", "a.b:c-d"])("reads and writes %s", (text) => {
    expect(formatReference(parseReference(text))).toBe(text);
  });

  it("splits at the colon", () => {
    expect(parseReference("static:cmd")).toEqual({ namespace: "static", name: "cmd" });
  });

  it.each([
    ["static", /there is no colon in it; expected two names such as "backend:http"/],
    ["", /no colon/],
    ["a:b:c", /more than one colon/],
    [":b", /the name before the colon: it is empty/],
    ["a:", /the name after the colon: it is empty/],
    ["a: b", /the name after the colon: it starts or ends with white space/],
    ["a\t:b", /control character/],
  ])("refuses %j", (text, message) => {
    expect(() => parseReference(text, "backend:http")).toThrow(message);
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }));
  });
});

describe("parseName", () => {
  it.each(["backend", "a b", "日本", "..", "-x"])("takes %s", (text) => {
    expect(parseName(text)).toBe(text);
  });

  it.each([
    ["", /empty/],
    ["a:b", /colon/],
    ["a\nb", /control character/],
    ["a\u2028b", /control character/],
    [" a", /white space/],
    ["a\u00a0", /white space/],
  ])("refuses %j", (text, message) => {
    expect(() => parseName(text)).toThrow(message);
    expect(() => parseName(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }));
  });
});
