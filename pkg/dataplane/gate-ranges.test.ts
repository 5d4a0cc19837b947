import fc from "fast-check";
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

  it("gives each address one fate: denied before ignored, and nothing without gates", () => {
    const cidr = fc
      .record({ address: fc.integer({ min: 0, max: 15 }), prefix: fc.integer({ min: 28, max: 32 }) })
      .map(({ address, prefix }) => {
        const size = 2 ** (32 - prefix);
        return parseCidr(`0.0.0.${String(Math.floor(address / size) * size)}/${String(prefix)}`);
      });
    const list = fc.array(cidr, { maxLength: 4 });
    fc.assert(
      fc.property(list, list, list, fc.integer({ min: 0, max: 15 }), (allow, deny, ignore, host) => {
        const inside = (ranges: readonly Range[]): boolean =>
          ranges.some(({ first, last }) => first <= BigInt(host) && BigInt(host) <= last);
        const { denied, ignored } = gateRanges({ allow, deny, ignore }, "ipv4");
        const expected = inside(deny) || (allow.length > 0 && !inside(allow));
        expect(inside(denied)).toBe(expected);
        expect(inside(ignored)).toBe(!expected && inside(ignore));
        for (const ranges of [denied, ignored]) {
          for (const [at, range] of ranges.entries())
            expect(at === 0 || range.first > (ranges[at - 1]?.last ?? 0n) + 1n).toBe(true);
        }
      }),
    );
  });
});
