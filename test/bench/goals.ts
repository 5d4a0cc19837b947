/** What this program sets itself, and whether a run met it. Never part of the tests: a busy machine is no fault of the program. */
import { COLD_PLAIN, COLD_PROXYGW, HAPROXY, PLAIN, PROXYGW, PROXYGW_FAST } from "./names.ts";
import type { Results, ScaleResults, WarmMetric } from "./results.ts";
import { quantile, ratio } from "./statistics.ts";

export interface Goal {
  readonly what: string;
  readonly limit: string;
  readonly measured: string;
  readonly met: boolean;
}

/** How far a drain may be from its moment, in ms. */
const PRECISION_MS = 100;
const MANY = 10_000;
const FEW = 2;

/** Of the parts that were measured only. */
export function goals(results: Results): Goal[] {
  return [...warmGoals(results), ...coldGoals(results), ...scaleGoals(results), ...crowdGoals(results), ...idleGoals(results)];
}

function warmGoals({ warm }: Results): Goal[] {
  if (warm === undefined) return [];
  const times = (what: string, limit: number, metric: WarmMetric, reference: string, name = PROXYGW): Goal[] => {
    const values = warm[metric][name];
    const others = warm[metric][reference];
    return values === undefined || others === undefined ? [] : [atLeast(what, ratio(values, others), limit)];
  };
  return [
    times("throughput, 1 stream, of plain routing", 0.97, "stream1", PLAIN),
    times("throughput, 8 streams, of plain routing", 0.97, "stream8", PLAIN),
    times("requests, connections kept, of plain routing", 0.95, "kept", PLAIN),
    times("requests, a connection each, of plain routing", 0.95, "fresh", PLAIN),
    times("throughput, 8 streams, of HAProxy", 1.8, "stream8", HAPROXY),
    times("requests, connections kept, of HAProxy", 1.8, "kept", HAPROXY),
    times("throughput, 1 stream, fast path, of plain routing", 1, "stream1", PLAIN, PROXYGW_FAST),
  ].flat();
}

function coldGoals({ cold }: Results): Goal[] {
  const held = cold?.[COLD_PROXYGW];
  const plain = cold?.[COLD_PLAIN];
  if (held === undefined || plain === undefined) return [];
  return [
    atMost("added by a wake, p50", quantile(held, 0.5) - quantile(plain, 0.5), 1, "ms"),
    atMost("added by a wake, p99", quantile(held, 0.99) - quantile(plain, 0.5), 5, "ms"),
  ];
}

function scaleGoals({ scale = [] }: Results): Goal[] {
  const goalsOf = (size: number, make: (each: ScaleResults) => Goal[]): Goal[] => {
    const found = scale.find(({ targets }) => targets === size);
    return found === undefined ? [] : make(found);
  };
  const median = (values: readonly number[]): number => quantile(values, 0.5);
  return [
    ...goalsOf(FEW, (few) => [
      atMost("few targets: ready", median(few.readyMs), 300, "ms"),
      atMost("few targets: memory", median(few.readyMb), 80, "MB"),
    ]),
    ...goalsOf(MANY, (many) => [
      atMost("10,000 targets: ready", median(many.readyMs), 3000, "ms"),
      atMost("10,000 targets: one waking transaction", median(many.warmMs), 10, "ms"),
      atMost("10,000 targets: CPU while idle, of a core", median(many.idlePercent), 0.5, "%"),
      atMost("10,000 targets: memory", median(many.settledMb), 200, "MB"),
    ]),
  ];
}

function crowdGoals({ storm, held }: Results): Goal[] {
  return [
    ...(storm === undefined
      ? []
      : [atLeast(`${storm.targets} targets woken in a second: answered`, storm.answered, storm.clients)]),
    ...(held === undefined ? [] : [atLeast(`${held.clients} flows held: answered`, held.answered, held.clients)]),
  ];
}

function idleGoals({ idle }: Results): Goal[] {
  const late = Object.values(idle?.lateMs ?? {}).flat();
  if (late.length === 0) return [];
  return [
    atMost("drained before it was due, at most", Math.max(0, -Math.min(...late)), PRECISION_MS, "ms"),
    atMost("drained after it was due, at most", Math.max(...late), PRECISION_MS, "ms"),
  ];
}

function atLeast(what: string, measured: number, limit: number): Goal {
  return { what, limit: `≥ ${limit}`, measured: figure(measured), met: measured >= limit };
}

function atMost(what: string, measured: number, limit: number, unit: string): Goal {
  return { what, limit: `≤ ${limit} ${unit}`, measured: `${figure(measured)} ${unit}`, met: measured <= limit };
}

/** Three digits that count, and no more. */
export function figure(value: number): string {
  if (Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return String(Math.round(value)).replaceAll(/\B(?=(\d{3})+$)/g, ",");
  if (size >= 100) return value.toFixed(0);
  return size >= 10 ? value.toFixed(1) : value.toFixed(2);
}
