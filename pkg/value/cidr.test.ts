import { describe, expect, it } from "vitest";
import { addressText, parseCidr } from "./cidr.ts";

function bounds(text: string): string {
  const { family, first, last } = parseCidr(text);
  return `${addressText(first, family)} - ${addressText(last, family)}`;
}

describe("parseCidr", () => {
  it.each([
    ["192.168.0.0/16", "192.168.0.0 - 192.168.255.255"],
    ["0.0.0.0/0", "0.0.0.0 - 255.255.255.255"],
    ["192.0.2.7", "192.0.2.7 - 192.0.2.7"],
    ["2001:db8::/32", "2001:db8:: - 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"],
    ["::/0", ":: - ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    ["fe80::1", "fe80::1 - fe80::1"],
    ["64:ff9b::1.2.3.4/128", "64:ff9b::102:304 - 64:ff9b::102:304"],
  ])("reads %s", (text, expected) => {
    expect(bounds(text)).toBe(expected);
  });

  it.each(["", "/", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/8/8", "10.0.0.0/-1", "10.0.0.0/", "host", "fe80::1%eth0"])(
    "refuses %j",
    (text) => {
      expect(() => parseCidr(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }) as Error);
    },
  );

  it("says what a block with bits behind the prefix could have meant", () => {
    expect(() => parseCidr("192.168.1.7/24")).toThrow('did you mean "192.168.1.0/24"?');
    expect(() => parseCidr("2001:db8::1/64")).toThrow('did you mean "2001:db8::/64"?');
  });
});
