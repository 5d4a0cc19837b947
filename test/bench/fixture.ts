/** A run as it could have been, for tests of what is made of it. */
import { COLD_PLAIN, COLD_PROXYGW, HAPROXY, PLAIN, PROXYGW } from "./names.ts";
import { type ByContender, type Results, WARM_METRICS, type WarmResults } from "./results.ts";

/** Every quantity of the warm path as `each`. */
export function warmFixture(each: ByContender = { [PLAIN]: [100, 50], [PROXYGW]: [98, 49], [HAPROXY]: [50, 25] }): WarmResults {
  return Object.fromEntries(Object.keys(WARM_METRICS).map((metric) => [metric, each])) as unknown as WarmResults;
}

export function fixture(): Required<Results> {
  const scale = { readyMb: [70], settledMb: [150], warmMs: [9], drainMs: [12], statusMs: [3], nftMs: [4], nftGetMs: [4] };
  const more = { idlePercent: [0.2], requests: [90], plainRequests: [100], stopMs: [200] };
  const machine = { cpu: "A <CPU>", cores: 2, memoryGb: 8, kernel: "6.1.0", system: "Debian", versions: { nft: "1.0.6" } };
  return {
    ...{ date: "2026-01-02T03:04:05.678Z", command: "make bench", short: false, machine, seconds: { warm: 12.5 }, failures: [] },
    warm: warmFixture(),
    cold: { [COLD_PLAIN]: [0.1, 0.1, 0.1], [COLD_PROXYGW]: [0.5, 0.6, 4] },
    scale: [
      { targets: 2, readyMs: [250], ...scale, ...more },
      { targets: 10_000, readyMs: [4000], ...scale, ...more },
    ],
    storm: { targets: 1000, clients: 1000, answered: 999, errors: { ETIMEDOUT: 1 }, ms: [1, 2, 3], cpuMs: 700 },
    held: { clients: 10_000, answered: 10_000, errors: {}, ms: [1], idleMb: 70, heldMb: 90, releaseMs: 800 },
    idle: { lateMs: { short: [10, 20], long: [30], silent: [-40] } },
  };
}
