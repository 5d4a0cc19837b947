/** What a run of the benchmark measured, as it is saved: one JSON file. */

/** Values by contender, one for each round; contenders are measured in turn within a round. */
export type ByContender = Readonly<Record<string, readonly number[]>>;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly system: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** The quantities of the warm path; a contender that can't do something is missing there. */
export const WARM_METRICS = {
  stream1: { title: "throughput, 1 stream", unit: "Gbit/s", more: true },
  stream8: { title: "throughput, 8 streams", unit: "Gbit/s", more: true },
  cpuPerGb: { title: "CPU per GB, all three hosts", unit: "ms", more: false },
  kept: { title: "requests, connections kept", unit: "1/s", more: true },
  keptP50: { title: "their latency, p50", unit: "ms", more: false },
  keptP99: { title: "their latency, p99", unit: "ms", more: false },
  cpuPer100k: { title: "CPU per 100,000 of them", unit: "ms", more: false },
  fresh: { title: "requests, a connection each", unit: "1/s", more: true },
  freshP50: { title: "their latency, p50", unit: "ms", more: false },
  freshP99: { title: "their latency, p99", unit: "ms", more: false },
  udp: { title: "UDP datagrams of 64 bytes received", unit: "1/s", more: true },
} as const satisfies Record<string, { title: string; unit: string; more: boolean }>;

export type WarmMetric = keyof typeof WARM_METRICS;

export type WarmResults = Readonly<Record<WarmMetric, ByContender>>;

/** From connect to the first byte of the answer, in ms, by way; the service runs already, so its own start takes no time. */
export type ColdResults = ByContender;

export interface ScaleResults {
  readonly targets: number;
  readonly readyMs: readonly number[];
  readonly readyMb: readonly number[];
  /** After the transactions and the rest. */
  readonly settledMb: readonly number[];
  readonly warmMs: readonly number[];
  readonly drainMs: readonly number[];
  readonly statusMs: readonly number[];
  /** nft by itself, with one element, in a table of that size: what of the above is not the daemon's. */
  readonly nftMs: readonly number[];
  /** nft reading one element. */
  readonly nftGetMs: readonly number[];
  /** Percent of a core, tools that it runs included. */
  readonly idlePercent: readonly number[];
  /** Requests per second through an active target, and without the table, in turn. */
  readonly requests: readonly number[];
  readonly plainRequests: readonly number[];
  readonly stopMs: readonly number[];
}

/** What became of clients that came at once. */
export interface CrowdResults {
  readonly clients: number;
  readonly answered: number;
  /** Names of errors, with how many had them. */
  readonly errors: Readonly<Record<string, number>>;
  readonly ms: readonly number[];
}

export interface StormResults extends CrowdResults {
  readonly targets: number;
  readonly cpuMs: number;
}

export interface HeldResults extends CrowdResults {
  readonly idleMb: number;
  readonly heldMb: number;
  /** From the first answer to the last. */
  readonly releaseMs: number;
}

export interface IdleResults {
  /** Drained minus due, by sort of the last flow. */
  readonly lateMs: Readonly<Record<"short" | "long" | "silent", readonly number[]>>;
}

export interface Results {
  readonly date: string;
  readonly command: string;
  /** True when it was only tried: less of everything. */
  readonly short: boolean;
  readonly machine: Machine;
  readonly seconds: Readonly<Record<string, number>>;
  /** What could not be measured, and why. */
  readonly failures: readonly string[];
  readonly warm?: WarmResults;
  readonly cold?: ColdResults;
  readonly scale?: readonly ScaleResults[];
  readonly storm?: StormResults;
  readonly held?: HeldResults;
  readonly idle?: IdleResults;
}
