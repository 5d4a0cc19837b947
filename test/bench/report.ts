/** Results as tables, in Markdown, which reads well on a terminal too. */
import { figure, goals } from "./goals.ts";
import { HAPROXY, PLAIN } from "./names.ts";
import { type Results, type ScaleResults, WARM_METRICS, type WarmMetric, type WarmResults } from "./results.ts";
import { quantile, ratio, summarize } from "./statistics.ts";

/** All that a run measured. */
export function report(results: Results): string {
  const { warm, cold, scale, storm, held, idle } = results;
  const parts = [
    about(results),
    warm === undefined ? [] : ["## Warm path", ...warmTables(warm)],
    cold === undefined ? [] : ["## Cold path", coldTable(cold)],
    scale === undefined ? [] : ["## Scale", scaleTable(scale)],
    storm === undefined && held === undefined ? [] : ["## Storms", crowdTable(results)],
    idle === undefined ? [] : ["## Idle precision", idleTable(idle.lateMs)],
    results.failures.length === 0 ? [] : ["## Not measured", results.failures.map((each) => `- ${each}`).join("\n")],
    ["## Goals", goalTable(results)],
  ];
  return `${parts.flat().join("\n\n")}\n`;
}

/** For the README: how the warm path compares, in ratios. */
export function summaryTable(warm: WarmResults): string {
  const metrics = ["stream1", "stream8", "kept", "fresh", "udp"] as const;
  const names = Object.keys(warm.stream1);
  const rows = names.map((name) => [name, ...metrics.map((metric) => times(warm, metric, name, PLAIN))]);
  return table(["of plain routing", ...metrics.map((metric) => WARM_METRICS[metric].title)], rows);
}

function about({ date, command, short, machine, seconds }: Results): string[] {
  const took = Object.entries(seconds).map(([part, each]) => `${part} ${figure(each)} s`);
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${short ? "Only tried (SHORT): too few runs to conclude from. " : ""}${date}, \`${command}\`, ${took.join(", ")}.`,
    `${machine.cpu}, ${machine.cores} cores, ${figure(machine.memoryGb)} GB, ${machine.system}, Linux ${machine.kernel}; ${versions.join(", ")}.`,
  ];
}

function warmTables(warm: WarmResults): string[] {
  return Object.entries(WARM_METRICS).map(([key, { title, unit }]) => {
    const metric = key as WarmMetric;
    const rows = Object.entries(warm[metric]).map(([name, values]) => {
      const { median, lowest, highest } = summarize(values);
      return [
        name,
        figure(median),
        `${figure(lowest)} – ${figure(highest)}`,
        times(warm, metric, name, PLAIN),
        times(warm, metric, name, HAPROXY),
      ];
    });
    return table([`${title}, ${unit}`, "median", "spread", "of plain routing", "of HAProxy"], rows);
  });
}

function times(warm: WarmResults, metric: WarmMetric, name: string, reference: string): string {
  const values = warm[metric][name];
  const others = warm[metric][reference];
  return values === undefined || others === undefined ? "–" : ratio(values, others).toFixed(2);
}

function coldTable(cold: Results["cold"] & object): string {
  const rows = Object.entries(cold).map(([name, values]) => [
    name,
    String(values.length),
    ...[0.5, 0.99, 1].map((at) => figure(quantile(values, at))),
  ]);
  return table(["connect to first byte, ms", "times", "p50", "p99", "most"], rows);
}

/** Rows of the table, each with what is told of the values. */
const SCALE_ROWS: readonly (readonly [keyof Omit<ScaleResults, "targets">, string])[] = [
  ["readyMs", "start to ready, ms"],
  ["readyMb", "memory when ready, MB"],
  ["settledMb", "memory later, MB"],
  ["warmMs", "one wake asked for (one transaction), ms"],
  ["drainMs", "one drain asked for, ms"],
  ["statusMs", "status, ms"],
  ["nftMs", "nft by itself: add an element, ms"],
  ["nftGetMs", "nft by itself: read an element, ms"],
  ["idlePercent", "CPU while idle, % of a core"],
  ["plainRequests", "requests per second, plain routing"],
  ["requests", "requests per second, active target"],
  ["stopMs", "stop, ms"],
];

function scaleTable(scale: readonly ScaleResults[]): string {
  const cell = (values: readonly number[]): string => (values.length === 0 ? "–" : figure(quantile(values, 0.5)));
  const rows = SCALE_ROWS.map(([key, title]) => [title, ...scale.map((each) => cell(each[key]))]);
  return table(["targets (medians)", ...scale.map(({ targets }) => figure(targets).replace(/\.\d+$/, ""))], rows);
}

function crowdTable({ storm, held }: Results): string {
  const row = (what: string, value: string): string[] => [what, value];
  const rows: string[][] = [];
  if (storm !== undefined) {
    rows.push(
      row("targets woken within a second", String(storm.targets)),
      row("answered", `${storm.answered} of ${storm.clients}${errors(storm.errors)}`),
      row("connect to first byte, p50 / p99 / most", latencies(storm.ms)),
      row("CPU time of the daemon and its tools", `${figure(storm.cpuMs)} ms`),
    );
  }
  if (held !== undefined) {
    rows.push(
      row("flows held for one target", String(held.clients)),
      row("answered", `${held.answered} of ${held.clients}${errors(held.errors)}`),
      row("memory before / with all held", `${figure(held.idleMb)} / ${figure(held.heldMb)} MB`),
      row("first answer to last", `${figure(held.releaseMs)} ms`),
    );
  }
  return table(["clients at once", ""], rows);
}

function errors(found: Readonly<Record<string, number>>): string {
  const each = Object.entries(found).map(([name, count]) => `${count} ${name}`);
  return each.length === 0 ? "" : ` (${each.join(", ")})`;
}

function latencies(ms: readonly number[]): string {
  return ms.length === 0 ? "–" : `${[0.5, 0.99, 1].map((at) => figure(quantile(ms, at))).join(" / ")} ms`;
}

function idleTable(lateMs: Readonly<Record<string, readonly number[]>>): string {
  const rows = Object.entries(lateMs).flatMap(([sort, values]) =>
    values.length === 0 ? [] : [[sort, String(values.length), ...[0, 0.5, 1].map((at) => figure(quantile(values, at)))]],
  );
  return table(["drained minus due, ms; last flow", "drains", "least", "p50", "most"], rows);
}

function goalTable(results: Results): string {
  return table(
    ["goal", "limit", "measured", ""],
    goals(results).map(({ what, limit, measured, met }) => [what, limit, measured, met ? "met" : "**not met**"]),
  );
}

/** Columns as wide as their widest cell. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, at) => (cells[at] ?? "").padEnd(width)).join(" | ")} |`;
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)].join("\n");
}
