/** How exactly a target is stopped when it is due: `idle_timeout` after its last packet, or after its last silent flow's end. */
import { resolve } from "node:path";
import { until } from "../e2e/daemon.ts";
import { PYTHON } from "../e2e/on-demand.ts";
import { GATEWAY, Topology } from "../e2e/topology.ts";
import { GatewayDaemon } from "./gateway-daemon.ts";
import { runningTargets, targetName } from "./many-targets.ts";
import type { Progress } from "./progress.ts";
import type { IdleResults } from "./results.ts";
import type { Settings } from "./settings.ts";
import { FIRST_PORT, openManyPorts, startWebServer, widen } from "./web-server.ts";

const IDLE_MS = 2000;
const FLOW_MS = 3000;
/** Between the begins of flows of one target and the next. */
const STEP_S = 0.25;

/** What decides when a target is due. */
type Sort = keyof IdleResults["lateMs"];
const SORTS: readonly Sort[] = ["short", "short", "long", "short", "silent"];

export async function measureIdle({ drains }: Settings, directory: string, progress: Progress): Promise<IdleResults> {
  await using topology = await Topology.create();
  await widen(topology);
  await startWebServer(topology, directory);
  await openManyPorts(topology);
  const target = { idle_timeout: `${String(IDLE_MS)}ms` };
  const frontend = { flow_timeout: `${String(FLOW_MS)}ms` };
  await using daemon = await GatewayDaemon.start(topology, runningTargets(drains, { target, frontend }));
  progress.step(`${drains} drains`);
  const sorts = Array.from({ length: drains }, (_, at) => SORTS[at % SORTS.length] ?? "short");
  const client = topology.converse("client", PYTHON, "-IS", resolve(import.meta.dirname, "flows.py"), GATEWAY);
  client.say(JSON.stringify(sorts.flatMap((sort, at) => flowsOf(sort, FIRST_PORT + at, at * STEP_S))));
  const ends = JSON.parse(await client.hear()) as number[];
  const drained = async (): Promise<Map<string, number>> => {
    const lines = (await daemon.log()).filter(({ to, from }) => from === "draining" && to === "inactive");
    // the last one, should it have been woken in between
    return new Map(lines.map(({ target: name, time }) => [String(name), Date.parse(String(time))]));
  };
  await until("all are drained", async () => (await drained()).size === drains, 30_000);
  const at = await drained();
  const lateMs: Record<Sort, number[]> = { short: [], long: [], silent: [] };
  let flow = 0;
  sorts.forEach((sort, index) => {
    const last = Math.max(...flowsOf(sort, 0, 0).map(() => ends[flow++] ?? NaN));
    const due = last + IDLE_MS + (sort === "silent" ? FLOW_MS : 0);
    lateMs[sort].push((at.get(targetName(index)) ?? NaN) - due);
  });
  return { lateMs };
}

/** As flows.py takes them. Each target has a short one first; the last to end is of its sort. */
function flowsOf(sort: Sort, port: number, at: number): (readonly [number, number, number, "close" | "stay"])[] {
  const short = [port, at, 0, "close"] as const;
  if (sort === "short") return [short, [port, at + 0.7, 0, "close"]];
  if (sort === "long") return [short, [port, at + 0.2, 2.5, "close"]];
  return [short, [port, at + 0.2, 1, "stay"]];
}
