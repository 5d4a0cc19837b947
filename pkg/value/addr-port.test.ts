import { describe, expect, it } from "vitest";
import type { AddrPort } from "./addr-port.ts";
import { isLoopback, isWildcard, overlaps, parseAddrPort, sameAddrPort } from "./addr-port.ts";

describe("parseAddrPort", () => {
  it.each([
    ["0.0.0.0:80", "ipv4", "0.0.0.0", 80],
    ["127.0.0.1:65535", "ipv4", "127.0.0.1", 65535],
    ["192.0.2.1:0080", "ipv4", "192.0.2.1", 80],
    ["[::]:80", "ipv6", "::", 80],
    ["[::1]:1", "ipv6", "::1", 1],
    ["[0:0:0:0:0:0:0:1]:1", "ipv6", "::1", 1],
    ["[2001:DB8:0:0::0001]:443", "ipv6", "2001:db8::1", 443],
    ["[1:0:2:3:4:5:6:7]:443", "ipv6", "1:0:2:3:4:5:6:7", 443],
  ])("reads %s", (text, family, address, port) => {
    expect(parseAddrPort(text)).toEqual({ family, address, port });
  });

  it.each([
    ["", /expected an address and a port/],
    ["80", /expected an address and a port/],
    [":80", /the address is missing; for all addresses: "0\.0\.0\.0:80" or "\[::\]:80"/],
    ["127.0.0.1", /the port is missing: "127\.0\.0\.1:PORT"/],
    ["127.0.0.1:", /the port is missing: "127\.0\.0\.1:PORT"/],
    ["127.0.0.1:http", /the port is a number from 1 to 65535/],
    ["127.0.0.1:+80", /the port is a number/],
    ["127.0.0.1:-1", /the port is a number/],
    ["127.0.0.1:0", /port 0 cannot be connected to/],
    ["127.0.0.1:65536", /port 65536 is above 65535/],
    ["127.0.0.1:99999999999999999999999", /above 65535/],
    ["127.0.0:80", /"127\.0\.0" is not an IPv4 address/],
    ["127.0.0.256:80", /"127\.0\.0\.256" is not an IPv4 address/],
    ["127.0.0.01:80", /"127\.0\.0\.01" is not an IPv4 address/],
    ["localhost:80", /a host name is not accepted/],
    ["a_b.example:80", /a host name is not accepted/],
    ["::1", /an IPv6 address needs brackets and a port: "\[::1\]:PORT"/],
    ["::1:80", /an IPv6 address needs brackets/],
    ["1:2:3:4:5:6:7:8:80", /needs brackets: "\[1:2:3:4:5:6:7:8\]:80"/],
    ["2001:db8:0:0:0:0:0:1:80", /needs brackets: "\[2001:db8:0:0:0:0:0:1\]:80"/],
    ["[::1]", /the port is missing: "\[::1\]:PORT"/],
    ["[::1]80", /expected an address and a port/],
    ["[::g]:80", /"::g" is not an IPv6 address/],
    ["[]:80", /"" is not an IPv6 address/],
    ["[fe80::1%eth0]:80", /a zone \(%interface\) is not supported/],
    ["[127.0.0.1]:80", /takes no brackets; did you mean "127\.0\.0\.1:80"/],
    ["[::ffff:192.0.2.1]:80", /an IPv4 address in IPv6 notation; write "192\.0\.2\.1:80"/],
    ["[::ffff:c000:201]:80", /write "192\.0\.2\.1:80"/],
    [" 127.0.0.1:80", /starts or ends with white space/],
    ["127.0.0.1:80\n", /starts or ends with white space/],
    ["tcp://127.0.0.1:80", /expected an address and a port/],
  ])("refuses %j", (text, message) => {
    expect(() => parseAddrPort(text)).toThrow(message);
    expect(() => parseAddrPort(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }));
  });
});

describe("AddrPort", () => {
  const of = (text: string): AddrPort => parseAddrPort(text);

  it("knows wildcards and loopback", () => {
    expect(["0.0.0.0:1", "[::]:1", "[0::0]:1", "127.0.0.1:1", "[::1]:1"].map((each) => isWildcard(of(each)))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(
      ["127.0.0.1:1", "127.255.0.9:1", "[::1]:1", "0.0.0.0:1", "[::]:1", "12.7.0.1:1"].map((each) => isLoopback(of(each))),
    ).toEqual([true, true, true, false, false, false]);
  });

  it.each([
    ["10.0.0.1:80", "10.0.0.1:80", true, true],
    ["10.0.0.1:80", "10.0.0.1:81", false, false],
    ["10.0.0.1:80", "10.0.0.2:80", false, false],
    ["0.0.0.0:80", "10.0.0.1:80", false, true],
    ["[::]:80", "[2001:db8::1]:80", false, true],
    ["[::]:80", "10.0.0.1:80", false, false],
    ["[::]:80", "0.0.0.0:80", false, false],
    ["[2001:DB8::1]:80", "[2001:db8:0::1]:80", true, true],
  ])("compares %s with %s", (a, b, same, overlap) => {
    expect([sameAddrPort(of(a), of(b)), sameAddrPort(of(b), of(a))]).toEqual([same, same]);
    expect([overlaps(of(a), of(b)), overlaps(of(b), of(a))]).toEqual([overlap, overlap]);
  });
});
