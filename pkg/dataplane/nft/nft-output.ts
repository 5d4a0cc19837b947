/** The only place that reads what nft prints. Text, not JSON: nft 1.0.6 rounds `expires` to seconds in JSON. */
import { Fault } from "../../fault/fault.ts";

/** What went wrong, from nft's standard error: the first error's words, and a code that says what kind it is. */
export function nftFault(stderr: string, doing: string): Fault {
  const first = (/Error: (.*)/.exec(stderr)?.[1] ?? stderr.trim().split("\n")[0] ?? "").trim();
  return new Fault(classify(first), `nft could not ${doing}: ${first === "" ? "no message" : first}`);
}

function classify(message: string): string {
  if (/No such file or directory/.test(message)) return "NFT_NOT_FOUND";
  if (/File exists/.test(message)) return "NFT_EXISTS";
  if (/Operation not permitted/.test(message)) return "NFT_NOT_PERMITTED";
  if (/Operation not supported|Protocol not supported/.test(message)) return "NFT_NOT_SUPPORTED";
  // a listing during which somebody's transaction changed the rules (nf_tables_api.c, generations): to be asked again
  if (/Interrupted system call/.test(message)) return "NFT_INTERRUPTED";
  return "NFT_FAILED";
}

/** `nftables v1.0.6 (Lester Gooch #5)` → [1, 0, 6]; undefined when it is not nft's version line. */
export function parseNftVersion(text: string): [number, number, number] | undefined {
  const match = /nftables v(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
}

/*
 * A number is read up to the digits that the kernel's types have: what is longer is none, and must not become an Infinity
 * that somebody sleeps for.
 */

/** Remaining lifetime in ms of the first element with `expires` in nft's listing; undefined when there is none. */
export function parseExpires(text: string): number | undefined {
  const match = /expires ((?:\d{1,15}(?:d|h|ms|m|s))+)/.exec(text);
  return match === null ? undefined : parseNftTime(match[1] ?? "");
}

/** Packets of the first counter in nft's listing; 0 when there is none. */
export function parsePackets(text: string): number {
  return Number(/counter packets (\d{1,20})/.exec(text)?.[1] ?? 0);
}

const UNIT_MS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

function parseNftTime(text: string): number {
  let ms = 0;
  for (const [, digits, unit] of text.matchAll(/(\d+)(d|h|ms|m|s)/g)) ms += Number(digits) * (UNIT_MS[unit ?? ""] ?? 0);
  return ms;
}
