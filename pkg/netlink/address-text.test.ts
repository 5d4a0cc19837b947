import { describe, expect, it } from "vitest";
import { ipv4Text, ipv6Text } from "./address-text.ts";

describe("ipv6Text", () => {
  it.each([
    ["00000000000000000000000000000000", "::"],
    ["00000000000000000000000000000001", "::1"],
    ["20010db8000000000000000000000001", "2001:db8::1"],
    ["20010db8000000010001000100010001", "2001:db8:0:1:1:1:1:1"],
    ["20010000000000010000000000000001", "2001:0:0:1::1"],
    ["fe800000000000000000000000000000", "fe80::"],
    ["00000000000000000000ffffc0000201", "::ffff:192.0.2.1"],
  ])("writes %s as %s", (hex, text) => {
    expect(ipv6Text(Buffer.from(hex, "hex"), 0)).toBe(text);
  });
});

describe("ipv4Text", () => {
  it("reads from the offset", () => {
    expect(ipv4Text(Buffer.from("ffc0000201", "hex"), 1)).toBe("192.0.2.1");
  });
});
