const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long something took or was, for people, in two units at most: `85ms`, `4.2s`, `42s`, `4m10s`, `3h5m`, `12d4h`. */
export function formatAge(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  if (whole < SECOND) return `${whole}ms`;
  // what would be rounded to ten seconds has no decimals
  if (whole < 9950) return `${(whole / SECOND).toFixed(1)}s`;
  const seconds = Math.round(whole / SECOND) * SECOND;
  if (seconds < MINUTE) return `${seconds / SECOND}s`;
  if (seconds < HOUR) return pair(seconds, MINUTE, "m", SECOND, "s");
  if (seconds < DAY) return pair(seconds, HOUR, "h", MINUTE, "m");
  return pair(seconds, DAY, "d", HOUR, "h");
}

function pair(ms: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)}${largeUnit}${rest === 0 ? "" : `${rest}${smallUnit}`}`;
}
