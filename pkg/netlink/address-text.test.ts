import { SocketAddress } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ipv4Text, ipv6Text } from "./address-text.ts";

/** Zero groups in every place are what the text form is difficult for. */
const group = fc.oneof(fc.constant(0), fc.constant(0), fc.constant(1), fc.constant(0xffff), fc.nat(0xffff));

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

  it("writes what the platform does, which configured addresses are in", () => {
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const data = Buffer.from(groups.flatMap((each) => [each >>> 8, each & 0xff]));
        const address = groups.map((each) => each.toString(16)).join(":");
        expect(ipv6Text(data, 0)).toBe(new SocketAddress({ address, family: "ipv6" }).address);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("ipv4Text", () => {
  it("reads from the offset", () => {
    expect(ipv4Text(Buffer.from("ffc0000201", "hex"), 1)).toBe("192.0.2.1");
  });
});
