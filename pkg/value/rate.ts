import { Fault } from "../fault/fault.ts";
import { parseDuration } from "./duration.ts";

/** So many in so long a time. */
export interface Rate {
  readonly count: number;
  readonly perMs: number;
}

const MOST = 1_000_000;
/** nftables counts rates in whole numbers per unit of time, of which the week is the longest. */
const WEEK_MS = 7 * 24 * 3_600_000;

/** A count and a duration: `5/1m`, `100/1h30m`. @throws Fault VALUE_INVALID */
export function parseRate(text: string): Rate {
  const [, countText, perText] = /^([0-9]+)\/(.*)$/s.exec(text) ?? [];
  if (countText === undefined || perText === undefined) throw invalid(text, 'expected a count and a duration, such as "5/1m"');
  const count = Number(countText);
  if (count < 1 || count > MOST) throw invalid(text, `the count is 1 to ${MOST}`);
  // "5/m" is what other programs write for "5/1m"
  const perMs = /^(?:s|m|h)$/.test(perText) ? parseDuration(`1${perText}`) : parseDuration(perText);
  if (perMs < 1) throw invalid(text, "the duration is at least 1ms");
  if (perMs / count > WEEK_MS) throw invalid(text, "one a week (168h) is the slowest that can be kept");
  return { count, perMs };
}

function invalid(text: string, why: string): Fault {
  return new Fault("VALUE_INVALID", `${JSON.stringify(text)} is not a rate: ${why}`);
}
