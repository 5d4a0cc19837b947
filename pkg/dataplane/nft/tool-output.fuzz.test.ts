/** Whatever nft prints, and what of it is cut short or of another version. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { describe } from "vitest";
import { fuzz } from "../../../test/fuzz/fuzz.ts";
import { mutatedText } from "../../../test/fuzz/mutation.ts";
import { Fault } from "../../fault/fault.ts";
import { nftFault, parseExpires, parseNftVersion, parsePackets } from "./nft-output.ts";

const DIGITS = ["0", "1", "9".repeat(15), "9".repeat(25), "9".repeat(400), "-1", "1.5", "0x10"];
const LISTINGS = [
  "table inet proxygw {\n\tset active4 {\n\t\ttype inet_proto . ipv4_addr . inet_service\n\t\tflags dynamic,timeout\n\t\ttimeout 365d\n\t\telements = { tcp . 10.0.0.1 . 80 expires 364d23h59m59s996ms }\n\t}\n}\n",
  "elements = { tcp . 10.0.0.1 . 80 timeout 2m expires 1m500ms }",
  "elements = { tcp . 10.0.0.1 . 80 counter packets 17 bytes 1020 : 10.0.0.2 . 80 }",
];
const ERRORS = [
  "Error: Could not process rule: No such file or directory\nget element …\n^^^^\n",
  "Error: Could not process rule: File exists\n",
  "netlink: Error: cache initialization failed: Operation not permitted\n",
  "/dev/stdin:3:1-5: Error: syntax error, unexpected string\n",
];
const CODES = /^NFT_(NOT_FOUND|EXISTS|NOT_PERMITTED|NOT_SUPPORTED|INTERRUPTED|FAILED)$/;

/** A sum of times that a timer or a date can be made from. */
function isTime(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}

/** As nft writes a time. */
function nftTime(ms: number): string {
  let text = "";
  let left = ms;
  for (const [unit, size] of [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1000],
    ["ms", 1],
  ] as const) {
    if (left >= size) text += `${Math.floor(left / size)}${unit}`;
    left %= size;
  }
  return text;
}

describe("what nft prints", () => {
  const pieces = [
    "expires ",
    "timeout ",
    "counter packets ",
    "bytes ",
    "{",
    "}",
    " . ",
    "\n",
    "d",
    "h",
    "m",
    "s",
    "ms",
    ...DIGITS,
  ];
  fuzz("of any listing a time and a count can be used", mutatedText(LISTINGS, pieces, 6), (text) => {
    const expires = parseExpires(text);
    assert.ok(expires === undefined || isTime(expires));
    assert.ok(isTime(parsePackets(text)));
  });

  const element = fc.tuple(fc.integer({ min: 1, max: 365 * 86_400_000 }), fc.nat(2 ** 53 - 1), fc.boolean());
  fuzz("the time and the count of an element are read as they were", element, ([ms, count, timeout]) => {
    const own = timeout ? "timeout 365d " : "";
    assert.equal(parseExpires(`elements = { tcp . ::1 . 80 ${own}expires ${nftTime(ms)} }`), ms);
    assert.equal(parsePackets(`elements = { tcp . 80 counter packets ${count} bytes 9 : 10.0.0.1 . 80 }`), count);
  });

  fuzz(
    "any error has a code, and a message of one line",
    mutatedText(ERRORS, [...pieces, "Error: ", "\r", "No such file"]),
    (text) => {
      const fault = nftFault(text, "do it");
      assert.ok(fault instanceof Fault);
      assert.match(fault.code, CODES);
      assert.match(fault.message, /^nft could not do it: ./);
      assert.doesNotMatch(fault.message, /\n/);
    },
  );

  fuzz(
    "any version is three numbers, or none",
    mutatedText(["nftables v1.0.6 (Lester Gooch #5)\n", "nftables v1.1 (x)"], [".", "v", ...DIGITS]),
    (text) => {
      const version = parseNftVersion(text);
      assert.ok(version === undefined || version.every(isTime));
    },
  );
});
