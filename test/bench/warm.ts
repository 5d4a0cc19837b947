/** The warm path: what a packet costs once the service is up, against plain routing and against proxies. */
import { Topology } from "../e2e/topology.ts";
import { type Contender, CONTENDERS, IPERF_PORT } from "./contenders.ts";
import { datagrams, requests, stream } from "./load.ts";
import { type ByContender, WARM_METRICS, type WarmMetric, type WarmResults } from "./results.ts";
import type { Settings } from "./settings.ts";
import { startWebServer, WEB_PORT, widen } from "./web-server.ts";
import type { Progress } from "./progress.ts";

type Measured = Partial<Record<WarmMetric, number>>;

export async function measureWarm(settings: Settings, directory: string, progress: Progress): Promise<WarmResults> {
  await using topology = await Topology.create();
  await widen(topology);
  await startWebServer(topology, directory);
  topology.start("backend", "iperf3", ["-s"]);
  const contenders = new Set<Contender>();
  for (const each of CONTENDERS) if ((await each.isPossible?.(topology)) ?? true) contenders.add(each);
  const rounds = new Map<Contender, Measured[]>();
  for (let round = 1; round <= settings.rounds; round++) {
    for (const contender of contenders) {
      progress.step(`round ${round} of ${settings.rounds}: ${contender.name}`);
      try {
        const measured = await measureInTurn(topology, directory, contender, settings.seconds);
        rounds.set(contender, [...(rounds.get(contender) ?? []), measured]);
      } catch (error) {
        // out from now on, since ratios are taken round by round: its whole rounds, and what the others do, are worth having
        contenders.delete(contender);
        progress.failed(error, `${contender.name}, out from round ${round} of ${settings.rounds} on`);
      }
    }
  }
  if (rounds.size === 0) throw new Error("no contender was measured");
  const byContender = (metric: WarmMetric): ByContender =>
    Object.fromEntries(
      [...rounds].flatMap(([{ name }, each]) => {
        const values = each.flatMap((measured) => measured[metric] ?? []);
        return values.length === 0 ? [] : [[name, values]];
      }),
    );
  return Object.fromEntries(
    Object.keys(WARM_METRICS).map((metric) => [metric, byContender(metric as WarmMetric)]),
  ) as WarmResults;
}

/** One round of a contender, which is up only meanwhile. */
async function measureInTurn(topology: Topology, directory: string, contender: Contender, seconds: number): Promise<Measured> {
  const up = await contender.start(topology, directory);
  try {
    return await measure(topology, contender, seconds);
  } finally {
    await up[Symbol.asyncDispose]();
  }
}

async function measure(topology: Topology, { host, udp }: Contender, seconds: number): Promise<Measured> {
  const place = { host, port: IPERF_PORT };
  const web = `${host}:${String(WEB_PORT)}`;
  const one = await stream(topology, place, seconds, 1);
  const eight = await stream(topology, place, seconds, 8);
  const kept = await requests(topology, web, seconds, true);
  const fresh = await requests(topology, web, seconds, false);
  return {
    stream1: one.gbitPerSecond,
    stream8: eight.gbitPerSecond,
    cpuPerGb: eight.cpuMsPerGb,
    kept: kept.perSecond,
    keptP50: kept.p50Ms,
    keptP99: kept.p99Ms,
    cpuPer100k: kept.cpuMsPer100k,
    fresh: fresh.perSecond,
    freshP50: fresh.p50Ms,
    freshP99: fresh.p99Ms,
    ...(udp ? { udp: await datagrams(topology, place, seconds) } : {}),
  };
}
