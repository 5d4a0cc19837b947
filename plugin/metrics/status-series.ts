import type { Counter, Gauge, Registry } from "prom-client";
import type { FrontendStatus, Status, TargetStatus, TrafficStatus } from "../../pkg/plugin/plugin.ts";
import type { PromClient } from "./prom-client.ts";

type Labels = Readonly<Record<string, string>>;

interface Sample {
  /** Besides those of the resource. */
  readonly labels?: Labels;
  readonly value: number;
}

/** A metric whose values are read from the status with each scrape. */
interface Family<Resource> {
  readonly type: "gauge" | "counter";
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  readonly samples: (each: Resource) => readonly Sample[];
}

const TARGET_STATES: readonly TargetStatus["state"][] = ["inactive", "warming", "active", "draining", "closed"];
const FRONTEND_STATES: readonly FrontendStatus["state"][] = ["stopped", "starting", "running", "stopping", "closed"];

const one = (value: number): Sample[] => [{ value }];
const seconds = (at: string | undefined): Sample[] => (at === undefined ? [] : one(Date.parse(at) / 1000));

/** 1 for the state that it is in, 0 for all others, so that each can be added up and averaged over time. */
const states = (all: readonly string[], present: string): Sample[] =>
  all.map((state) => ({ labels: { state }, value: state === present ? 1 : 0 }));

const directions = (incoming: number, outgoing: number): Sample[] => [
  { labels: { direction: "in" }, value: incoming },
  { labels: { direction: "out" }, value: outgoing },
];

/** What the kernel counts for targets and frontends alike; `whose`: completes "Packets … (in)". */
function trafficFamilies(prefix: string, whose: { in: string; out: string }): Family<{ traffic?: TrafficStatus }>[] {
  return [
    {
      type: "gauge",
      name: `${prefix}_flows`,
      help: "Flows that are alive.",
      samples: ({ traffic }) => (traffic === undefined ? [] : one(traffic.flows)),
    },
    {
      type: "counter",
      name: `${prefix}_connections_total`,
      help: "Flows that have begun.",
      samples: ({ traffic }) => (traffic === undefined ? [] : one(traffic.connections)),
    },
    {
      type: "counter",
      name: `${prefix}_traffic_bytes_total`,
      help: `Bytes ${whose.in} (in) and ${whose.out} (out), network headers included.`,
      labels: ["direction"],
      samples: ({ traffic }) => (traffic === undefined ? [] : directions(traffic.bytes_in, traffic.bytes_out)),
    },
    {
      type: "counter",
      name: `${prefix}_traffic_packets_total`,
      help: `Packets ${whose.in} (in) and ${whose.out} (out).`,
      labels: ["direction"],
      samples: ({ traffic }) => (traffic === undefined ? [] : directions(traffic.packets_in, traffic.packets_out)),
    },
  ];
}

const TARGET_FAMILIES: readonly Family<TargetStatus>[] = [
  {
    type: "gauge",
    name: "proxygw_target_info",
    help: "Always 1; what the target is.",
    labels: ["kind"],
    samples: ({ kind }) => [{ labels: { kind }, value: 1 }],
  },
  {
    type: "gauge",
    name: "proxygw_target_state",
    help: "1 for the state that the target is in, 0 for the others.",
    labels: ["state"],
    samples: ({ state }) => states(TARGET_STATES, state),
  },
  {
    type: "gauge",
    name: "proxygw_target_state_since_timestamp_seconds",
    help: "When the target came into its state.",
    samples: ({ since }) => seconds(since),
  },
  {
    type: "gauge",
    name: "proxygw_target_idle_timeout_seconds",
    help: "How long the target must be idle before it is stopped.",
    samples: (each) => one(each.idle_timeout_ms / 1000),
  },
  {
    type: "gauge",
    name: "proxygw_target_idle_due_timestamp_seconds",
    help: "When the target will be stopped if no packet comes; only while that is so.",
    samples: (each) => seconds(each.idle_due),
  },
  ...trafficFamilies("proxygw_target", { in: "to the target's endpoints", out: "from them" }),
  {
    type: "counter",
    name: "proxygw_target_wakes_total",
    help: "Times that the target became active on request.",
    samples: ({ wakes = 0 }) => one(wakes),
  },
  {
    type: "counter",
    name: "proxygw_target_drains_total",
    help: "Times that the target was stopped.",
    samples: ({ drains = 0 }) => one(drains),
  },
  {
    type: "counter",
    name: "proxygw_target_failures_total",
    help: "Times that the target did not start, or ended by itself.",
    samples: ({ failures = 0 }) => one(failures),
  },
  {
    type: "gauge",
    name: "proxygw_target_last_wake_timestamp_seconds",
    help: "When the target was last asked to become active; not there before the first time.",
    samples: (each) => seconds(each.last_wake?.at),
  },
];

const FRONTEND_FAMILIES: readonly Family<FrontendStatus>[] = [
  {
    type: "gauge",
    name: "proxygw_frontend_info",
    help: "Always 1; what the frontend is.",
    labels: ["kind", "endpoint", "protocol"],
    samples: ({ kind, endpoint_name: endpoint, protocol }) => [{ labels: { kind, endpoint, protocol }, value: 1 }],
  },
  {
    type: "gauge",
    name: "proxygw_frontend_state",
    help: "1 for the state that the frontend is in, 0 for the others.",
    labels: ["state"],
    samples: ({ state }) => states(FRONTEND_STATES, state),
  },
  ...trafficFamilies("proxygw_frontend", { in: "from the frontend's clients", out: "to them" }),
  {
    type: "gauge",
    name: "proxygw_frontend_held_flows",
    help: "Flows whose first packet is held now.",
    samples: ({ holding = 0 }) => one(holding),
  },
  {
    type: "counter",
    name: "proxygw_frontend_holds_total",
    help: "Flows whose first packet was held.",
    samples: ({ held = 0 }) => one(held),
  },
  {
    type: "counter",
    name: "proxygw_frontend_hold_timeouts_total",
    help: "Flows that were held for hold.timeout and then refused.",
    samples: (each) => one(each.timed_out ?? 0),
  },
  {
    type: "counter",
    name: "proxygw_frontend_refused_packets_total",
    help: "Packets of new flows turned away: denied by allow and deny, ignored, limited by wake_limit, overflowed hold.max_flows.",
    labels: ["reason"],
    samples: (each) =>
      (["denied", "ignored", "limited", "overflowed"] as const).map((reason) => ({
        labels: { reason },
        value: each[reason] ?? 0,
      })),
  },
];

/** What is read from the engine's status: of what is configured now, and of nothing else. */
export class StatusSeries {
  readonly #targets: (targets: readonly TargetStatus[]) => void;
  readonly #frontends: (frontends: readonly FrontendStatus[]) => void;

  constructor(client: PromClient, registry: Registry) {
    this.#targets = filler(client, registry, TARGET_FAMILIES, ["target"], ({ name }) => ({ target: name }));
    this.#frontends = filler(client, registry, FRONTEND_FAMILIES, ["frontend", "target"], ({ name, target_name: target }) => ({
      frontend: name,
      target,
    }));
  }

  take({ targets = [], frontends = [] }: Status): void {
    this.#targets(targets);
    this.#frontends(frontends);
  }
}

function filler<Resource>(
  client: PromClient,
  registers: Registry,
  families: readonly Family<Resource>[],
  ownLabels: readonly string[],
  labelsOf: (each: Resource) => Labels,
): (resources: readonly Resource[]) => void {
  const metrics = families.map((family): readonly [Gauge | Counter, Family<Resource>] => {
    const { type, name, help, labels = [] } = family;
    const configuration = { name, help, labelNames: [...ownLabels, ...labels], registers: [registers] };
    return [type === "gauge" ? new client.Gauge(configuration) : new client.Counter(configuration), family];
  });
  return (resources) => {
    for (const [metric, { samples }] of metrics) {
      // what it counts is the engine's and the kernel's; beginning anew leaves no series of what is configured no more
      metric.reset();
      for (const each of resources) {
        for (const { labels, value } of samples(each)) metric.inc({ ...labelsOf(each), ...labels }, value);
      }
    }
  };
}
