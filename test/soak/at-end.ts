/** What has to be true when nobody comes any more: nothing has leaked, and the table is what a new daemon would make. */
import { isDeepStrictEqual } from "node:util";
import { until } from "../e2e/daemon.ts";
import { translatedFlows } from "./flows.ts";
import type { Health, Holdings } from "./health.ts";
import type { Stage } from "./stage.ts";
import { contentOf, readTable } from "./table.ts";

/** The longest flow_timeout, and what conntrack needs to look through its table. */
const FLOWS_MS = 180_000;
/** Medians of the second and the last third of the daemon's last life; see measure(): what is left after a collection. */
const MOST_HEAP_MIB = 2;
/** Of pages that its allocator has not given back it may keep some, whatever is left on the heap. */
const MOST_RSS_MIB = 24;
const LEAST_SAMPLES = 9;
/** Such as those of the log and of the looks at the table come and go. */
const MOST_TIMERS = 3;

/** Ends the daemon. `sysctls`: of the forwarding and loopback settings, before it was there. Gives what is wrong. */
export async function atEnd(stage: Stage, health: Health, before: Holdings, sysctls: string): Promise<string[]> {
  const { daemon, topology, scenario } = stage;
  const wrong: string[] = [];
  const expect = (what: string, found: unknown, wanted: unknown): void => {
    const [is, should] = [JSON.stringify(found), JSON.stringify(wanted)];
    if (is !== should) wrong.push(`${what}: ${is}, and not ${should}`);
  };
  await until("no flow is left", async () => (await translatedFlows(stage)).length === 0, FLOWS_MS).catch(async () => {
    wrong.push(`flows are left: ${(await translatedFlows(stage)).join("; ")}`);
  });
  // a look at something may be under way
  let holdings = await health.holdings();
  const isAsBefore = async (): Promise<boolean> => {
    holdings = await health.holdings();
    return (["descriptors", "threads", "children"] as const).every((part) => isDeepStrictEqual(holdings[part], before[part]));
  };
  await until("the daemon holds what it held before", isAsBefore).catch(() => undefined);
  for (const part of ["descriptors", "threads", "children"] as const) expect(part, holdings[part], before[part]);
  for (const [name, count] of Object.entries(holdings.resources)) {
    if (count > (before.resources[name] ?? 0) + MOST_TIMERS) wrong.push(`${name} in the event loop: ${String(count)}`);
  }
  const services = await topology.processes("gateway", "service.py");
  expect("services that run", services.length, scenario.wanted.length);
  wrong.push(...growth(health));
  const table = contentOf(await readTable(stage));
  expect("exit status", await daemon.stop(), 0);
  expect("rules that it left", await stage.gateway("nft list ruleset"), "");
  expect("processes that it left", (await topology.processes("gateway", "")).length, 0);
  expect(
    "settings that it left",
    await stage.gateway("sysctl -a 2>/dev/null | grep -E 'forward|route_localnet' | sort"),
    sysctls,
  );
  await daemon.restart();
  await until("what is wanted is active", async () => {
    const { targets } = await daemon.status();
    return targets.every(({ name, state }) => !scenario.wanted.includes(name) || state === "active");
  });
  wrong.push(...difference(table, contentOf(await readTable(stage))));
  return wrong;
}

function difference(old: string, fresh: string): string[] {
  const [before, after] = [old.split("\n"), fresh.split("\n")];
  return [
    ...before.filter((line) => !after.includes(line)).map((line) => `in the table, and not in a new daemon's: ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `in a new daemon's table only: ${line}`),
  ];
}

function growth({ samples }: Health): string[] {
  const life = samples.filter(({ pid }) => pid === samples.at(-1)?.pid);
  if (life.length < LEAST_SAMPLES) return [];
  const third = Math.floor(life.length / 3);
  const grown = (part: "heap" | "rss"): number =>
    median(life.slice(2 * third).map((each) => each[part])) - median(life.slice(third, 2 * third).map((each) => each[part]));
  const limits = { heap: MOST_HEAP_MIB, rss: MOST_RSS_MIB };
  return (["heap", "rss"] as const).flatMap((part) =>
    grown(part) > limits[part]
      ? [`${part} has grown by ${grown(part).toFixed(1)} MiB, from one third of the daemon's life to the next`]
      : [],
  );
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}
