import type { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { EngineEvent, ReleaseEvent, ReloadEvent, Status, TargetStateEvent } from "../../pkg/plugin/plugin.ts";
import type { PromClient } from "./prom-client.ts";

const WAKE_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180];
const HOLD_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180];
const TRANSACTION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

type WakeLabel = "target";
type FrontendLabel = "frontend" | "target";
type HoldLabel = FrontendLabel | "outcome";

/** What only events tell: how long something took, and how it ended. */
export class EventSeries {
  readonly #wakes: Histogram<WakeLabel>;
  readonly #holds: Histogram<HoldLabel>;
  readonly #transactions: Histogram;
  readonly #failedTransactions: Counter;
  readonly #failed: Gauge<FrontendLabel>;
  readonly #reloads: Counter<"result">;
  readonly #lastReload: Gauge;
  readonly #lastReloadAt: Gauge;
  /** Frontends that are stopped because of what failed: last_error in the status may be of long ago. */
  readonly #failedFrontends = new Set<string>();
  /** Labels of the series that there are. */
  readonly #wakeSeries = new Map<string, Record<WakeLabel, string>>();
  readonly #holdSeries = new Map<string, Record<HoldLabel, string>>();

  constructor({ Counter, Gauge, Histogram }: PromClient, registry: Registry) {
    const registers = [registry];
    this.#wakes = new Histogram({
      name: "proxygw_target_wake_duration_seconds",
      help: "From the request that woke the target until it was active.",
      labelNames: ["target"],
      buckets: WAKE_BUCKETS,
      registers,
    });
    this.#holds = new Histogram({
      name: "proxygw_frontend_hold_duration_seconds",
      help: "How long first packets were held, by outcome: passed on, refused, timed_out (hold.timeout), dropped (frontend gone).",
      labelNames: ["frontend", "target", "outcome"],
      buckets: HOLD_BUCKETS,
      registers,
    });
    this.#failed = new Gauge({
      name: "proxygw_frontend_failed",
      help: "1 while the frontend is stopped because it failed, otherwise 0.",
      labelNames: ["frontend", "target"],
      registers,
    });
    this.#transactions = new Histogram({
      name: "proxygw_nft_transaction_duration_seconds",
      help: "Duration of changes of the packet path, failed ones included.",
      buckets: TRANSACTION_BUCKETS,
      registers,
    });
    this.#failedTransactions = new Counter({
      name: "proxygw_nft_transaction_failures_total",
      help: "Changes of the packet path that failed.",
      registers,
    });
    this.#reloads = new Counter({
      name: "proxygw_reloads_total",
      help: "Reloads of the configuration: success, partial (in force, but something failed), failure (nothing changed).",
      labelNames: ["result"],
      registers,
    });
    for (const result of ["success", "partial", "failure"]) this.#reloads.inc({ result }, 0);
    this.#lastReload = new Gauge({
      name: "proxygw_last_reload_successful",
      help: "1 when the last reload, or the start, took the configuration over; 0 when it was refused.",
      registers,
    });
    this.#lastReload.set(1);
    this.#lastReloadAt = new Gauge({
      name: "proxygw_last_successful_load_timestamp_seconds",
      help: "When the configuration in force was loaded.",
      registers,
    });
  }

  /** That the configuration in force was loaded at the daemon's start. */
  started(at: Date): void {
    this.#lastReloadAt.set(at.getTime() / 1000);
  }

  take(event: EngineEvent): void {
    switch (event.type) {
      case "target_state":
        this.#wake(event);
        break;
      case "release":
        this.#release(event);
        break;
      case "transaction":
        this.#transactions.observe(event.took_ms / 1000);
        if (event.error !== undefined) this.#failedTransactions.inc();
        break;
      case "reload":
        this.#reload(event);
        break;
      case "frontend_state":
        if (event.to === "stopped" && event.error !== undefined) this.#failedFrontends.add(event.frontend);
        else this.#failedFrontends.delete(event.frontend);
        break;
      // how many there were is in the status
      case "hold":
      case "refusal":
        break;
    }
  }

  /** To be called before they are read: forgets what is configured no more. */
  bringUpToDate({ targets = [], frontends = [] }: Status): void {
    this.#failed.reset();
    for (const { name: frontend, target_name: target } of frontends) {
      this.#failed.set({ frontend, target }, this.#failedFrontends.has(frontend) ? 1 : 0);
    }
    const names = new Set(targets.map(({ name }) => name));
    const pairs = new Set(frontends.map(({ name, target_name: target }) => pair(name, target)));
    for (const [key, labels] of this.#wakeSeries) {
      if (names.has(labels.target)) continue;
      this.#wakes.remove(labels);
      this.#wakeSeries.delete(key);
    }
    for (const [key, labels] of this.#holdSeries) {
      if (pairs.has(pair(labels.frontend, labels.target))) continue;
      this.#holds.remove(labels);
      this.#holdSeries.delete(key);
    }
  }

  #wake({ target, from, to, took_ms: tookMs }: TargetStateEvent): void {
    if (from !== "warming" || to !== "active" || tookMs === undefined) return;
    this.#wakeSeries.set(target, { target });
    this.#wakes.observe({ target }, tookMs / 1000);
  }

  #release({ frontend, target, outcome, held_ms: heldMs }: ReleaseEvent): void {
    const labels = { frontend, target, outcome };
    this.#holdSeries.set(`${pair(frontend, target)}:${outcome}`, labels);
    this.#holds.observe(labels, heldMs / 1000);
  }

  #reload({ at, report }: ReloadEvent): void {
    const result = report === undefined ? "failure" : report.failures === undefined ? "success" : "partial";
    this.#reloads.inc({ result });
    this.#lastReload.set(report === undefined ? 0 : 1);
    if (report !== undefined) this.#lastReloadAt.set(Date.parse(at) / 1000);
  }
}

/** Names hold no colon. */
function pair(frontend: string, target: string): string {
  return `${frontend}:${target}`;
}
