/** Those that the daemon has a use for: docs/security.md. Numbers of linux/capability.h. */
const NUMBERS = {
  CAP_CHOWN: 0n,
  CAP_DAC_READ_SEARCH: 2n,
  CAP_KILL: 5n,
  CAP_SETGID: 6n,
  CAP_SETUID: 7n,
  CAP_NET_BIND_SERVICE: 10n,
  CAP_NET_ADMIN: 12n,
} as const;

export type Capability = keyof typeof NUMBERS;

/** Of the process whose /proc/PID/status has this text; none for a text that does not tell. */
export function effectiveCapabilities(status: string): ReadonlySet<Capability> {
  const mask = /^CapEff:\s*([0-9a-f]{1,16})$/im.exec(status)?.[1];
  const bits = mask === undefined ? 0n : BigInt(`0x${mask}`);
  const names = Object.keys(NUMBERS) as Capability[];
  return new Set(names.filter((name) => ((bits >> NUMBERS[name]) & 1n) === 1n));
}
