import { isIPv4, isIPv6, SocketAddress } from "node:net";
import { Fault } from "../fault/fault.ts";
import type { Family } from "./protocol.ts";

/** A block of addresses: `192.0.2.0/24`, `2001:db8::/32`, or one address. */
export interface Cidr {
  readonly family: Family;
  /** First and last address as numbers, both included. */
  readonly first: bigint;
  readonly last: bigint;
}

const BITS: Readonly<Record<Family, number>> = { ipv4: 32, ipv6: 128 };

/** @throws Fault VALUE_INVALID, also when bits are set behind the prefix: that is more often a slip than meant */
export function parseCidr(text: string): Cidr {
  const [address = "", prefixText, ...rest] = text.split("/");
  const family = isIPv4(address) ? "ipv4" : isIPv6(address) && !address.includes("%") ? "ipv6" : undefined;
  if (family === undefined || rest.length > 0)
    throw invalid(text, 'expected one such as "192.168.0.0/16", "2001:db8::/32" or "192.0.2.7"');
  const bits = BITS[family];
  const prefix = prefixText === undefined ? bits : /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : NaN;
  if (!(prefix <= bits)) throw invalid(text, `the length behind the slash is 0 to ${bits}`);
  const size = 1n << BigInt(bits - prefix);
  const value = toNumber(address, family);
  const first = (value / size) * size;
  if (first !== value)
    throw invalid(
      text,
      `its address has bits behind the first ${prefix}; did you mean "${addressText(first, family)}/${prefix}"?`,
    );
  return { family, first, last: first + size - 1n };
}

function toNumber(address: string, family: Family): bigint {
  if (family === "ipv4") return address.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  // a dotted tail is two groups
  const groups = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = "", tail] = groups.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const all = [...left, ...Array<string>(8 - left.length - right.length).fill("0"), ...right];
  return all.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n);
}

/** The address with that number, as text (RFC 5952 for IPv6). */
export function addressText(value: bigint, family: Family): string {
  if (family === "ipv4") return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join(".");
  const groups = [112n, 96n, 80n, 64n, 48n, 32n, 16n, 0n].map((shift) => ((value >> shift) & 65_535n).toString(16));
  return new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address;
}

/** The first and the last address of a family. */
export function wholeFamily(family: Family): Cidr {
  return { family, first: 0n, last: (1n << BigInt(BITS[family])) - 1n };
}

function invalid(text: string, why: string): Fault {
  return new Fault("VALUE_INVALID", `"${text}" is not a block of addresses: ${why}`);
}
