/** How much is measured, as the command line says. */

export const PARTS = ["warm", "cold", "scale", "storm", "held", "idle"] as const;
export type Part = (typeof PARTS)[number];

export interface Settings {
  readonly parts: readonly Part[];
  readonly short: boolean;
  /** Rounds of what is measured in turn. */
  readonly rounds: number;
  /** Of one run of wrk or iperf3. */
  readonly seconds: number;
  readonly wakes: number;
  /** Of wakes that take the client a second each. */
  readonly slowWakes: number;
  readonly sizes: readonly number[];
  readonly idleWatchMs: number;
  readonly crowd: number;
  readonly heldFlows: number;
  readonly drains: number;
}

const WHOLE = {
  rounds: 5,
  seconds: 1.5,
  wakes: 500,
  slowWakes: 20,
  sizes: [2, 100, 1000, 10_000],
  idleWatchMs: 30_000,
  crowd: 1000,
  heldFlows: 10_000,
  drains: 100,
} as const;

const SHORT = {
  rounds: 1,
  seconds: 1,
  wakes: 30,
  slowWakes: 3,
  sizes: [2, 100],
  idleWatchMs: 5000,
  crowd: 100,
  heldFlows: 1000,
  drains: 10,
} as const;

/** `words`: ONLY=part,part ROUNDS=n SHORT=1, empty values as if they were not there. @throws Error that says what is accepted */
export function parseSettings(words: readonly string[]): Settings {
  const given = new Map<string, string>();
  for (const word of words) {
    const [name = "", value] = word.split("=", 2);
    if (!["ONLY", "ROUNDS", "SHORT"].includes(name) || value === undefined) throw new Error(usage(word));
    if (value !== "") given.set(name, value);
  }
  const only = given.get("ONLY")?.split(",") ?? [...PARTS];
  const parts = PARTS.filter((part) => only.includes(part));
  if (parts.length !== new Set(only).size) throw new Error(usage(`ONLY=${only.join(",")}`));
  const short = (given.get("SHORT") ?? "0") !== "0";
  const base = short ? SHORT : WHOLE;
  const rounds = Number(given.get("ROUNDS") ?? base.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error(usage(`ROUNDS=${given.get("ROUNDS") ?? ""}`));
  return { ...base, parts, short, rounds };
}

function usage(found: string): string {
  return `"${found}" is not understood: make bench [ONLY=${PARTS.join(",")}] [ROUNDS=1 to 100] [SHORT=1]`;
}
