/** What people see of a soak. */
import type { Health, Holdings } from "./health.ts";
import type { Journal } from "./journal.ts";
import type { Ledger, Problem, Window } from "./ledger.ts";

type Samples = Health["samples"];

export function progressLine(
  seconds: number,
  { count, windows }: Ledger,
  { wakes, drains }: Journal,
  samples: Samples,
  problems: readonly Problem[],
  now: readonly string[],
): string {
  const memory = samples.at(-1);
  return [
    `${String(seconds).padStart(4)} s`,
    `${String(count)} requests`,
    `${String(wakes)} wakes`,
    `${String(drains)} drains`,
    `${String(windows.length)} faults`,
    `${String(problems.length)} unexplained`,
    ...(memory === undefined ? [] : [`rss ${memory.rss.toFixed(0)} MiB`, `heap ${memory.heap.toFixed(1)} MiB`]),
    ...(now.length === 0 ? [] : [`now: ${now.join(", ")}`]),
  ].join("  ");
}

/** Call after Ledger.problems(). */
export function summary(seconds: number, ledger: Ledger, journal: Journal, samples: Samples, holdings: Holdings): string[] {
  const served = [...ledger.perDoor.values()].reduce((sum, each) => sum + each, 0);
  const faults = new Map<string, Window[]>();
  for (const window of ledger.windows) faults.set(window.kind.name, [...(faults.get(window.kind.name) ?? []), window]);
  const names = [...faults.keys(), ...[...ledger.explained.keys()].filter((name) => !faults.has(name))];
  const width = Math.max(...names.map((name) => name.length));
  return [
    `${seconds.toFixed(0)} s of traffic: ${String(ledger.count)} requests and datagrams, ${String(served)} answered; ` +
      `${String(ledger.clear)} while there was no fault at all; ${String(journal.wakes)} wakes, ${String(journal.drains)} drains`,
    `${"fault".padEnd(width)}  times  seconds  errors of clients that it explains`,
    ...names.map((name) => {
      const windows = faults.get(name) ?? [];
      const lasted = windows.reduce((sum, { from, to = from }) => sum + to - from, 0) / 1000;
      const results = [...(ledger.explained.get(name) ?? [])].map(([result, count]) => `${String(count)} ${result}`);
      return `${name.padEnd(width)}  ${String(windows.length).padStart(5)}  ${lasted.toFixed(1).padStart(7)}  ${results.join(", ")}`;
    }),
    `memory of the daemon (MiB, after a collection): ${samples.map(({ heap, rss }) => `${heap.toFixed(1)}/${rss.toFixed(0)}`).join(" ")}`,
    `descriptors ${String(Object.values(holdings.descriptors).reduce((sum, each) => sum + each, 0))}, threads ${String(holdings.threads)}`,
  ];
}
