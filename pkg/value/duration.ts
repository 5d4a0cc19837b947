import { Fault } from "../fault/fault.ts";

const NS_PER_MS = 1_000_000;
const NS_PER_UNIT: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["µs", 1_000n], // U+00B5, micro sign
  ["μs", 1_000n], // U+03BC, Greek letter mu
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n],
]);

/** Go keeps a duration in a signed 64-bit count of nanoseconds. */
const LONGEST_NS = 2n ** 63n;

/**
 * Milliseconds of a duration as Go's time.ParseDuration reads it: `300ms`, `1h30m`, `-1.5h`, `0`.
 * Fractions of a nanosecond are dropped. @throws Fault VALUE_INVALID
 */
export function parseDuration(text: string): number {
  const negative = text.startsWith("-");
  const unsigned = text.replace(/^[-+]/, "");
  if (unsigned === "0") return 0;
  if (unsigned === "") throw invalid(text, 'expected a number and a unit, such as "5m"');
  let total = 0n;
  for (let rest = unsigned; rest !== "";) {
    const match = /^([0-9]*)(?:\.([0-9]*))?([^0-9.]*)/.exec(rest);
    const [all = "", whole = "", fraction = "", unit = ""] = match ?? [];
    if (whole === "" && fraction === "") throw invalid(text, 'expected a number and a unit, such as "5m" or "1h30m"');
    total += nanoseconds(text, whole, fraction, unit);
    rest = rest.slice(all.length);
  }
  if (negative ? total > LONGEST_NS : total >= LONGEST_NS) throw invalid(text, "longer than 292 years");
  return toMs(negative ? -total : total);
}

function nanoseconds(text: string, whole: string, fraction: string, unit: string): bigint {
  const scale = NS_PER_UNIT.get(unit);
  if (scale === undefined) {
    if (unit === "") throw invalid(text, `a unit is missing after ${whole || "the number"}; write "${text}s" for seconds`);
    throw invalid(text, `unknown unit "${unit}"; units are ns, us, ms, s, m, h, such as "1h30m"`);
  }
  // the longest duration has 19 digits: more are either zeros in front or too much, or below the nanosecond
  const digits = whole.replace(/^0+/, "");
  if (digits.length > 19) throw invalid(text, "longer than 292 years");
  const decimals = fraction.slice(0, 19);
  return BigInt(digits) * scale + (BigInt(decimals) * scale) / 10n ** BigInt(decimals.length);
}

function toMs(ns: bigint): number {
  const perMs = BigInt(NS_PER_MS);
  return Number(ns / perMs) + Number(ns % perMs) / NS_PER_MS;
}

function invalid(text: string, why: string): Fault {
  return new Fault("VALUE_INVALID", `${JSON.stringify(text)} is not a duration: ${why}`);
}

/** Shortest text that parseDuration reads back to the same whole number of nanoseconds: `5m`, `1h30m`, `1.5s`, `0s`. */
export function formatDuration(ms: number): string {
  const sign = ms < 0 ? "-" : "";
  const whole = Math.trunc(Math.abs(ms));
  const ns = BigInt(whole) * BigInt(NS_PER_MS) + BigInt(Math.round((Math.abs(ms) - whole) * NS_PER_MS));
  if (ns === 0n) return "0s";
  for (const [unit, scale, next] of [
    ["ns", 1n, 1_000n],
    ["us", 1_000n, 1_000_000n],
    ["ms", 1_000_000n, 1_000_000_000n],
  ] as const) {
    if (ns < next) return `${sign}${decimal(ns, scale)}${unit}`;
  }
  const perMinute = 60_000_000_000n;
  const hours = ns / (perMinute * 60n);
  const minutes = (ns / perMinute) % 60n;
  const seconds = ns % perMinute;
  const parts = [hours > 0n ? `${String(hours)}h` : "", minutes > 0n ? `${String(minutes)}m` : ""];
  parts.push(seconds > 0n ? `${decimal(seconds, 1_000_000_000n)}s` : "");
  return sign + parts.join("");
}

function decimal(value: bigint, scale: bigint): string {
  const digits = String(scale).length - 1;
  const fraction = String(value % scale)
    .padStart(digits, "0")
    .replace(/0+$/, "");
  return fraction === "" || scale === 1n ? String(value / scale) : `${String(value / scale)}.${fraction}`;
}
