import type { Registry } from "prom-client";
import { Fault } from "../../pkg/fault/fault.ts";
import type { EngineApi, EngineEvent } from "../../pkg/plugin/plugin.ts";
import { formatDuration } from "../../pkg/value/duration.ts";
import { version } from "../../pkg/version/version.ts";
import { EventSeries } from "./event-series.ts";
import type { PromClient } from "./prom-client.ts";
import { StatusSeries } from "./status-series.ts";

/**
 * A reading looks at every flow of the machine, and any local user may ask for one: so often at most, and Prometheus does not ask
 * more often.
 */
const FRESH_MS = 1000;
/** prom-client would wake the process a hundred times a second for its histogram of the event loop's lag, which is taken out below. */
const HARDLY_EVER_MS = 2 ** 31 - 1;
/** Of prom-client's own: gauges with the name of a counter, and those of the histogram that is not kept. */
const NOT_WANTED = /^nodejs_(active_(handles|requests)|active_\w+_total|eventloop_lag_(min|max|mean|stddev|p\d+)_seconds)$/;

/** All metrics as text, by Prometheus' format. */
export class Exposition {
  readonly #engine: EngineApi;
  readonly #timeoutMs: number;
  readonly #registry: Registry;
  readonly #status: StatusSeries;
  readonly #events: EventSeries;
  #reading: Promise<string> | undefined;
  #last: { readonly text: string; readonly at: number } | undefined;

  constructor(client: PromClient, engine: EngineApi, timeoutMs: number) {
    const registry = new client.Registry();
    this.#engine = engine;
    this.#timeoutMs = timeoutMs;
    this.#registry = registry;
    const info = new client.Gauge({
      name: "proxygw_build_info",
      help: "Always 1; which build this is.",
      labelNames: ["version"],
      registers: [registry],
    });
    info.set({ version }, 1);
    this.#status = new StatusSeries(client, registry);
    this.#events = new EventSeries(client, registry);
    this.#events.started(engine.clock.date());
    client.collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: HARDLY_EVER_MS });
    for (const { name } of registry.getMetricsAsArray()) if (NOT_WANTED.test(name)) registry.removeSingleMetric(name);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  take(event: EngineEvent): void {
    this.#events.take(event);
  }

  /** One reading at a time, for all who ask meanwhile. @throws Fault SCRAPE_TIMEOUT, or what the engine's status throws */
  async text(): Promise<string> {
    const { clock } = this.#engine;
    if (this.#last !== undefined && clock.now() - this.#last.at < FRESH_MS) return this.#last.text;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    const ended = new AbortController();
    const tooLong = clock.sleep(this.#timeoutMs, ended.signal).then(() => {
      const limit = formatDuration(this.#timeoutMs);
      throw new Fault(
        "SCRAPE_TIMEOUT",
        `the packet path's counters could not be read within ${limit}; the next scrape tries again`,
      );
    });
    try {
      return await Promise.race([this.#reading, tooLong]);
    } finally {
      ended.abort(new Fault("SCRAPE_ENDED", "the scrape has ended"));
    }
  }

  async #read(): Promise<string> {
    const status = await this.#engine.status({ traffic: true });
    this.#status.take(status);
    this.#events.bringUpToDate(status);
    const text = await this.#registry.metrics();
    this.#last = { text, at: this.#engine.clock.now() };
    return text;
  }
}
