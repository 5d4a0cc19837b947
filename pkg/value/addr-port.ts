import { isIPv4, isIPv6, SocketAddress } from "node:net";
import { Fault } from "../fault/fault.ts";
import type { Family } from "./protocol.ts";

/** An IP address and a port, as Go's netip.AddrPort: `192.0.2.1:80`, `[2001:db8::1]:80`. */
export interface AddrPort {
  readonly family: Family;
  /** Canonical text (RFC 5952 for IPv6), without brackets. */
  readonly address: string;
  /** 1 to 65535. */
  readonly port: number;
}

const EXPECTED = 'an address and a port such as "0.0.0.0:80", "192.0.2.10:8080" or "[2001:db8::1]:80"';

/** @throws Fault VALUE_INVALID */
export function parseAddrPort(text: string): AddrPort {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]+)$/.exec(text);
  if (match === null) throw invalid(text, hint(text));
  const [, bracketed, bare, portText] = match;
  const port = Number(portText);
  if (port > 65535) throw invalid(text, `port ${String(portText)} is above 65535`);
  if (port === 0) throw invalid(text, "port 0 cannot be connected to; use 1 to 65535");
  if (bracketed !== undefined) return { family: "ipv6", address: canonicalIPv6(text, bracketed), port };
  if (!isIPv4(bare ?? "")) throw invalid(text, hint(text));
  return { family: "ipv4", address: bare ?? "", port };
}

function canonicalIPv6(text: string, address: string): string {
  if (isIPv4(address)) throw invalid(text, `an IPv4 address takes no brackets; did you mean "${address}:${portOf(text)}"?`);
  if (address.includes("%")) throw invalid(text, "a zone (%interface) is not supported; leave it out");
  if (!isIPv6(address)) throw invalid(text, `"${address}" is not an IPv6 address`);
  const canonical = new SocketAddress({ address, family: "ipv6" }).address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(canonical);
  if (mapped !== null) throw invalid(text, `an IPv4 address in IPv6 notation; write "${String(mapped[1])}:${portOf(text)}"`);
  return canonical;
}

function portOf(text: string): string {
  return text.slice(text.lastIndexOf(":") + 1);
}

function hint(text: string): string {
  if (text.trim() !== text) return "it starts or ends with white space";
  if (isIPv6(text)) return `an IPv6 address needs brackets and a port: "[${text}]:PORT"`;
  if (isIPv4(text) || /^\[[^[\]]*\]$/.test(text)) return `the port is missing: "${text}:PORT"`;
  if (/^:\d+$/.test(text)) return `the address is missing; for all addresses: "0.0.0.0${text}" or "[::]${text}"`;
  const [, host = "", port = ""] = /^(.*):([^:]*)$/s.exec(text) ?? [];
  if (/^\d+$/.test(port)) {
    if (isIPv6(host)) return `an IPv6 address needs brackets: "[${host}]:${port}"`;
    if (/^[0-9.]+$/.test(host)) return `"${host}" is not an IPv4 address`;
    if (/^[\w.-]+$/.test(host)) return "a host name is not accepted, only an IP address";
  } else if (isIPv4(host) || /^\[[^[\]]*\]$/.test(host)) {
    return port === "" ? `the port is missing: "${host}:PORT"` : "the port is a number from 1 to 65535";
  }
  return `expected ${EXPECTED}`;
}

function invalid(text: string, why: string): Fault {
  return new Fault("VALUE_INVALID", `${JSON.stringify(text)} is not an address and port: ${why}`);
}

export function formatAddrPort(value: AddrPort): string {
  return value.family === "ipv4" ? `${value.address}:${String(value.port)}` : `[${value.address}]:${String(value.port)}`;
}

/** 0.0.0.0 or [::]: all of the machine's own addresses of that family. */
export function isWildcard(value: AddrPort): boolean {
  return value.address === "0.0.0.0" || value.address === "::";
}

/** 127.0.0.0/8 or ::1: reachable from the machine itself only. */
export function isLoopback(value: AddrPort): boolean {
  return value.family === "ipv4" ? value.address.startsWith("127.") : value.address === "::1";
}

export function sameAddrPort(a: AddrPort, b: AddrPort): boolean {
  return a.family === b.family && a.address === b.address && a.port === b.port;
}

/** Same port, and the same address or one of them a wildcard of the same family. (The caller compares protocols.) */
export function overlaps(a: AddrPort, b: AddrPort): boolean {
  return a.family === b.family && a.port === b.port && (a.address === b.address || isWildcard(a) || isWildcard(b));
}
