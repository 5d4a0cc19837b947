/** Many clients at once: of as many targets that sleep (storm), and of one whose start takes its time (held). */
import { rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Method } from "../../pkg/ctl/method.ts";
import type { Status } from "../../pkg/plugin/plugin.ts";
import { until } from "../e2e/daemon.ts";
import { PYTHON } from "../e2e/on-demand.ts";
import { GATEWAY, type Ran, Topology } from "../e2e/topology.ts";
import { GatewayDaemon } from "./gateway-daemon.ts";
import { runningTargets } from "./many-targets.ts";
import type { Progress } from "./progress.ts";
import type { CrowdResults, HeldResults, StormResults } from "./results.ts";
import type { Settings } from "./settings.ts";
import { usageOf } from "./usage.ts";
import { FIRST_PORT, openManyPorts, startWebServer, widen } from "./web-server.ts";

const HELD_MS = 60_000;

/** As many targets as clients, all woken within a second. */
export async function measureStorm({ crowd }: Settings, directory: string, progress: Progress): Promise<StormResults> {
  await using topology = await world(directory);
  await using daemon = await GatewayDaemon.start(topology, runningTargets(crowd));
  progress.step(`${crowd} targets woken within a second`);
  const before = await usageOf(daemon.pid);
  const came = parse(await clients(topology, FIRST_PORT + crowd - 1, crowd, 1, 30).ended, crowd);
  await until("all targets are active", async () => (await active(daemon)) === came.results.answered);
  const after = await usageOf(daemon.pid);
  return { ...came.results, targets: crowd, cpuMs: after.cpuMs - before.cpuMs };
}

async function active(daemon: GatewayDaemon): Promise<number> {
  const { targets = [] } = (await daemon.ask(Method.statusRequest)) as Status;
  return targets.filter(({ state }) => state === "active").length;
}

/** All clients wait for one target, until it is let become ready. */
export async function measureHeld({ heldFlows }: Settings, directory: string, progress: Progress): Promise<HeldResults> {
  await using topology = await world(directory);
  const gate = join(directory, "gate");
  await rm(gate, { force: true });
  const ready = { probe: "command", command: `test -e ${gate}`, timeout: "5m" };
  const hold = { max_flows: 16_384, timeout: "5m" };
  await using daemon = await GatewayDaemon.start(topology, runningTargets(1, { target: { ready }, frontend: { hold } }));
  const idleMb = (await usageOf(daemon.pid)).residentMb;
  progress.step(`${heldFlows} flows held`);
  const crowd = clients(topology, FIRST_PORT, heldFlows, 3, HELD_MS / 1000);
  const held = async (): Promise<number> => {
    const { frontends = [] } = (await daemon.ask(Method.statusRequest)) as Status;
    return frontends[0]?.holding ?? 0;
  };
  await until("all flows are held", async () => (await held()) >= heldFlows, HELD_MS);
  const heldMb = (await usageOf(daemon.pid)).residentMb;
  await writeFile(gate, "");
  const { answeredMs, results } = parse(await crowd.ended, heldFlows);
  return { ...results, idleMb, heldMb, releaseMs: answeredMs };
}

async function world(directory: string): Promise<Topology> {
  const topology = await Topology.create();
  await widen(topology);
  await startWebServer(topology, directory);
  await openManyPorts(topology);
  return topology;
}

function clients(topology: Topology, lastPort: number, count: number, seconds: number, limit: number): { ended: Promise<Ran> } {
  const numbers = [FIRST_PORT, lastPort, count, seconds, limit].map(String);
  return topology.start("client", PYTHON, ["-IS", resolve(import.meta.dirname, "wake.py"), GATEWAY, ...numbers]);
}

function parse({ stdout, stderr }: Ran, count: number): { results: CrowdResults; answeredMs: number } {
  if (stderr !== "" || stdout === "") throw new Error(`the clients failed: ${stderr}`);
  const { ms, errors, firstAt, lastAt } = JSON.parse(stdout) as Omit<CrowdResults, "clients"> & {
    firstAt: number;
    lastAt: number;
  };
  return { results: { clients: count, answered: ms.length, errors, ms }, answeredMs: lastAt - firstAt };
}
