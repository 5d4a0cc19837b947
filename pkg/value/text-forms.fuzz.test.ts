/** All text forms of this package: what a parser takes, and that it takes back what is written. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { describe } from "vitest";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { mutatedText } from "../../test/fuzz/mutation.ts";
import { hasCode } from "../fault/fault.ts";
import { formatAddrPort, isLoopback, isWildcard, overlaps, parseAddrPort, sameAddrPort } from "./addr-port.ts";
import { addressText, type Cidr, parseCidr } from "./cidr.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { parseLogLevel } from "./log-level.ts";
import { parseRate } from "./rate.ts";
import { formatReference, parseName, parseReference } from "./reference.ts";

/** What `parse` makes of a text; undefined: it is refused, in words, as no other than VALUE_INVALID. */
function accepted<T>(parse: (text: string) => T, text: string): T | undefined {
  try {
    return parse(text);
  } catch (error) {
    assert.ok(hasCode(error, "VALUE_INVALID"), `${String(error)} instead of VALUE_INVALID`);
    assert.ok(error instanceof Error && error.message.length > 10);
    return undefined;
  }
}

const ADDRESSES = ["0.0.0.0", "127.0.0.1", "192.0.2.1", "::", "::1", "2001:db8::1", "::ffff:192.0.2.1", "1:2:3:4:5:6:7:8"];
const MARKS = [
  ...Array.from("0123456789abcdef:.[]/%+- \n"),
  "::",
  "ffff",
  "65535",
  "65536",
  "255",
  "256",
  "00",
  "128",
  "9".repeat(30),
  "eth0",
];
const ipv4 = fc.ipV4();
const ipv6 = fc.ipV6();

describe("AddrPort", () => {
  const samples = ADDRESSES.flatMap((each) => [`${each}:80`, `[${each}]:65535`, each]).concat("[fe80::1%eth0]:80");
  fuzz("any text is one that is read back, or refused", mutatedText(samples, MARKS), (text) => {
    const value = accepted(parseAddrPort, text);
    if (value === undefined) return;
    assert.ok(Number.isInteger(value.port) && value.port > 0 && value.port < 65_536);
    // a zone would be lost
    assert.ok(!text.includes("%"));
    assert.deepEqual(parseAddrPort(formatAddrPort(value)), value);
    assert.ok(sameAddrPort(value, value) && overlaps(value, value) && !(isWildcard(value) && isLoopback(value)));
    // nothing that means something to nft
    assert.match(value.address, value.family === "ipv4" ? /^[0-9.]{7,15}$/ : /^[0-9a-f:.]{2,45}$/);
  });

  const host = fc.oneof(
    ipv4,
    ipv6.map((each) => `[${each}]`),
  );
  fuzz(
    "an address and a port are read as they are written",
    fc.tuple(host, fc.integer({ min: 1, max: 65_535 })),
    ([name, port]) => {
      const value = accepted(parseAddrPort, `${name}:${port}`);
      if (value === undefined) assert.match(name, /^\[[0:]*:ffff:/i);
      else assert.equal(accepted(parseAddrPort, formatAddrPort(value))?.port, port);
    },
  );
});

describe("Cidr", () => {
  const text = (cidr: Cidr): string => {
    const bits = cidr.family === "ipv4" ? 32 : 128;
    return `${addressText(cidr.first, cidr.family)}/${bits + 1 - (cidr.last - cidr.first + 1n).toString(2).length}`;
  };
  const samples = ADDRESSES.flatMap((each) => [each, `${each}/0`, `${each}/8`, `${each}/32`, `${each}/128`]);
  fuzz("any text is a block that is read back, or refused", mutatedText(samples, MARKS), (each) => {
    const cidr = accepted(parseCidr, each);
    if (cidr === undefined) return;
    const most = cidr.family === "ipv4" ? 1n << 32n : 1n << 128n;
    assert.ok(0n <= cidr.first && cidr.first <= cidr.last && cidr.last < most);
    assert.deepEqual(parseCidr(text(cidr)), cidr);
  });

  const value = fc.tuple(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), fc.boolean(), fc.nat(128));
  fuzz("every block is read back", value, ([number, isIPv4, length]) => {
    const family = isIPv4 ? "ipv4" : "ipv6";
    const bits = isIPv4 ? 32 : 128;
    const size = 1n << BigInt(length % (bits + 1));
    const first = ((number % (1n << BigInt(bits))) / size) * size;
    const cidr = { family, first, last: first + size - 1n } as const;
    assert.deepEqual(parseCidr(text(cidr)), cidr);
  });
});

describe("duration", () => {
  const samples = ["5m", "1h30m", "300ms", "1.5h", "-2s", "+5us", "0", "9223372036854775807ns", "1h1m1s1ms1µs1ns"];
  const pieces = [
    "1",
    "0",
    ".",
    "h",
    "m",
    "s",
    "ms",
    "ns",
    "us",
    "µs",
    "μs",
    "-",
    "+",
    " ",
    "d",
    "e5",
    "9".repeat(20),
    "0".repeat(50),
  ];
  fuzz("any text is one that is read back, or refused", mutatedText(samples, pieces), (text) => {
    const ms = accepted(parseDuration, text);
    if (ms === undefined) return;
    assert.ok(Math.abs(ms) <= 9_223_372_036_854.776);
    // beyond it the nanoseconds no longer fit into a number beside the milliseconds
    if (Math.abs(ms) < 2 ** 31) assert.equal(formatDuration(parseDuration(formatDuration(ms))), formatDuration(ms));
  });

  const time = fc.oneof(
    fc.integer({ min: -1_000_000_000_000, max: 1_000_000_000_000 }),
    fc.nat(2_000_000_000).map((ns) => ns / 1_000_000),
  );
  fuzz("what is written is read back", time, (ms) => {
    const again = parseDuration(formatDuration(ms));
    assert.ok(Math.abs(again - ms) < 1e-7);
    assert.equal(formatDuration(again), formatDuration(ms));
  });
});

describe("rate", () => {
  const pieces = ["1", "5", "0", "/", "m", "h", "s", "ms", "d", ".", "-", "9".repeat(400), "168h", "169h", " "];
  fuzz(
    "any text is one that can be kept, or refused",
    mutatedText(["5/1m", "100/1h30m", "5/m", "1/168h", "1000000/1ms"], pieces),
    (text) => {
      const rate = accepted(parseRate, text);
      if (rate === undefined) return;
      assert.ok(Number.isInteger(rate.count) && rate.count >= 1 && rate.count <= 1_000_000);
      assert.ok(rate.perMs >= 1 && rate.perMs / rate.count <= 7 * 24 * 3_600_000);
    },
  );

  fuzz(
    "a count and a duration are read as they are written",
    fc.tuple(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 1, max: 600_000_000 })),
    ([count, perMs]) => {
      assert.deepEqual(parseRate(`${count}/${formatDuration(perMs)}`), { count, perMs });
    },
  );
});

describe("log level", () => {
  const pieces = ["DEBUG", "info", "Warn", "ERROR", "+", "-", "2", "0", "9".repeat(400), " ", "\n", "ı", "1e3"];
  fuzz("any text is one, or refused", mutatedText(["DEBUG", "INFO+2", "warn-1", "ERROR+007"], pieces), (text) => {
    const level = accepted(parseLogLevel, text);
    assert.ok(level === undefined || Number.isSafeInteger(level));
  });

  const names = fc.constantFrom(["DEBUG", -4], ["info", 0], ["Warn", 4], ["ERROR", 8]) as fc.Arbitrary<[string, number]>;
  fuzz("a name and an offset are read as they are written", fc.tuple(names, fc.integer()), ([[name, base], offset]) => {
    assert.equal(parseLogLevel(`${name}${offset < 0 ? "" : "+"}${offset}`), base + offset);
  });
});

describe("reference", () => {
  const pieces = [":", " ", "\u00a0", "\n", "\u2028", "\u0085", "\u001b", "\ufeff", "a", "ü", "日本", "😀", "__proto__", ".."];
  fuzz(
    "any text is one that is read back, or refused",
    mutatedText(["static:cmd", "my target:http port", "a"], pieces),
    (text) => {
      const reference = accepted(parseReference, text);
      if (reference === undefined) return;
      assert.equal(formatReference(reference), text);
      for (const name of [reference.namespace, reference.name]) {
        assert.equal(parseName(name), name);
        // what would garble a line of the log
        assert.doesNotMatch(name, /[\u0000-\u001f\u007f-\u009f\u2028\u2029:]|^\s|\s$|^$/);
      }
    },
  );
});
