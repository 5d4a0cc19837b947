/** The warm path: what a packet costs once the service is up, against plain routing and against proxies. */
import { Topology } from "../e2e/topology.ts";
import { type Contender, CONTENDERS, IPERF_PORT } from "./contenders.ts";
import { datagrams, requests, stream } from "./load.ts";
import { type ByContender, WARM_METRICS, type WarmMetric, type WarmResults } from "./results.ts";
import type { Settings } from "./settings.ts";
import { startWebServer, WEB_PORT, widen } from "./web-server.ts";
import type { Progress } from "./progress.ts";

export async function measureWarm(settings: Settings, directory: string, progress: Progress): Promise<WarmResults> {
  await using topology = await Topology.create();
  await widen(topology);
  await startWebServer(topology, directory);
  topology.start("backend", "iperf3", ["-s"]);
  const values = new Map<WarmMetric, Map<string, number[]>>();
  const note = (contender: Contender) => (metric: WarmMetric, value: number) => {
    const byName = values.get(metric) ?? new Map<string, number[]>();
    values.set(metric, byName.set(contender.name, [...(byName.get(contender.name) ?? []), value]));
  };
  const contenders: Contender[] = [];
  for (const each of CONTENDERS) if ((await each.isPossible?.(topology)) ?? true) contenders.push(each);
  for (let round = 1; round <= settings.rounds; round++) {
    for (const contender of contenders) {
      progress(`round ${round} of ${settings.rounds}: ${contender.name}`);
      const up = await contender.start(topology, directory);
      try {
        await measure(topology, contender, settings.seconds, note(contender));
      } finally {
        await up[Symbol.asyncDispose]();
      }
    }
  }
  return Object.fromEntries(
    Object.keys(WARM_METRICS).map((metric) => [
      metric,
      Object.fromEntries(values.get(metric as WarmMetric) ?? []) as ByContender,
    ]),
  ) as WarmResults;
}

async function measure(
  topology: Topology,
  { host, udp }: Contender,
  seconds: number,
  note: (metric: WarmMetric, value: number) => void,
): Promise<void> {
  const place = { host, port: IPERF_PORT };
  const web = `${host}:${String(WEB_PORT)}`;
  note("stream1", (await stream(topology, place, seconds, 1)).gbitPerSecond);
  const eight = await stream(topology, place, seconds, 8);
  note("stream8", eight.gbitPerSecond);
  note("cpuPerGb", eight.cpuMsPerGb);
  const kept = await requests(topology, web, seconds, true);
  note("kept", kept.perSecond);
  note("keptP50", kept.p50Ms);
  note("keptP99", kept.p99Ms);
  note("cpuPer100k", kept.cpuMsPer100k);
  const fresh = await requests(topology, web, seconds, false);
  note("fresh", fresh.perSecond);
  note("freshP50", fresh.p50Ms);
  note("freshP99", fresh.p99Ms);
  if (udp) note("udp", await datagrams(topology, place, seconds));
}
