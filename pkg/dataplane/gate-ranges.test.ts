import { describe, expect, it } from "vitest";
import { addressText, parseCidr } from "../value/cidr.ts";
import { gateRanges, type Range } from "./gate-ranges.ts";

function texts(ranges: readonly Range[]): string[] {
  return ranges.map(({ first, last }) => `${addressText(first, "ipv4")}-${addressText(last, "ipv4")}`);
}

describe("gateRanges", () => {
  it("denies everybody else where some are allowed", () => {
    const { denied } = gateRanges({ allow: [parseCidr("10.0.0.0/8")], deny: [parseCidr("10.1.0.0/16")], ignore: [] }, "ipv4");
    expect(texts(denied)).toEqual(["0.0.0.0-9.255.255.255", "10.1.0.0-10.1.255.255", "11.0.0.0-255.255.255.255"]);
  });

  it("denies the whole other family where only one is allowed", () => {
    const { denied } = gateRanges({ allow: [parseCidr("10.0.0.0/8")], deny: [], ignore: [] }, "ipv6");
    expect(denied).toEqual([{ first: 0n, last: (1n << 128n) - 1n }]);
  });
});
