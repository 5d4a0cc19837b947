/** A receiver that asks for more would in effect switch its hook off. */
export const LONGEST_WAIT_MS = 3_600_000;

/** Milliseconds to wait by a Retry-After header (seconds, or a date); undefined: it says nothing. RFC 9110, 10.2.3 */
export function parseRetryAfter(value: string | undefined, now: Date): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now.getTime();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), LONGEST_WAIT_MS);
}
