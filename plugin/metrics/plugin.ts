/**
 * Plugin metrics: what the gateway does, for Prometheus.
 *
 * Owns the metrics' names and the place where they are served. Must not count what the engine or the kernel counts: that is read with
 * each scrape.
 */
import { groupId } from "../../pkg/listen/group.ts";
import type { EngineApi, Plugin } from "../../pkg/plugin/plugin.ts";
import { formatAddrPort, isLoopback, parseAddrPort } from "../../pkg/value/addr-port.ts";
import { parseDuration } from "../../pkg/value/duration.ts";
import { examineMetrics } from "./examine.ts";
import { Exposition } from "./exposition.ts";
import { checkMetricsConfig, METRICS_CONFIG, type MetricsConfig } from "./metrics-config.ts";
import { MetricsServer, type MetricsServerOptions } from "./server.ts";

export function metricsPlugin(): Plugin<MetricsConfig> {
  let server: MetricsServer | undefined;
  let unsubscribe: (() => void) | undefined;
  return {
    source: "metrics",
    config: METRICS_CONFIG,
    check: checkMetricsConfig,
    examine: examineMetrics,

    async onLoad(config: MetricsConfig | undefined, engine: EngineApi): Promise<void> {
      if (config === undefined) return;
      const place = await placeOf(config);
      const exposition = new Exposition(await import("prom-client"), engine, parseDuration(config.timeout));
      const { contentType } = exposition;
      const started = new MetricsServer({ place, contentType, text: () => exposition.text(), log: engine.log });
      await started.start();
      server = started;
      unsubscribe = engine.onEvent((event) => {
        exposition.take(event);
      });
      tell(place, engine);
    },

    async onUnload(): Promise<void> {
      unsubscribe?.();
      await server?.close();
      unsubscribe = server = undefined;
    },
  };
}

async function placeOf({ listen, socket, group }: MetricsConfig): Promise<MetricsServerOptions["place"]> {
  if (socket === undefined) return { address: parseAddrPort(listen ?? "") };
  return { socket, gid: group === undefined ? undefined : await groupId(group) };
}

function tell(place: MetricsServerOptions["place"], { log }: EngineApi): void {
  if ("socket" in place) {
    log.info("serving metrics", { socket: place.socket });
    return;
  }
  const listen = formatAddrPort(place.address);
  log.info("serving metrics", { listen });
  if (!isLoopback(place.address)) {
    log.warn("everybody who reaches this address can read the metrics, names of targets and frontends among them", { listen });
  }
}

export default metricsPlugin();
