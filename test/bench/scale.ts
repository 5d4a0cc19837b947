/** How the daemon bears many targets: its start, its transactions, its memory, and what a packet's look-up costs. */
import { Method } from "../../pkg/ctl/method.ts";
import { BACKEND, GATEWAY, Topology } from "../e2e/topology.ts";
import { GatewayDaemon } from "./gateway-daemon.ts";
import { requests } from "./load.ts";
import { commandTargets, targetName } from "./many-targets.ts";
import type { Progress } from "./progress.ts";
import type { ScaleResults } from "./results.ts";
import type { Settings } from "./settings.ts";
import { usageOf } from "./usage.ts";
import { FIRST_PORT, openManyPorts, startWebServer, widen } from "./web-server.ts";

/** Of each transaction, in one round. */
const TIMES = 5;
/** After the start the collector of garbage goes on for a while. */
const SETTLE_MS = 3000;
/** Starts of thousands of targets take long, and vary little. */
const MOST_ROUNDS_OF_MANY = 2;

type Measured = { [Name in Exclude<keyof ScaleResults, "targets">]: number[] };

export async function measureScale(settings: Settings, directory: string, progress: Progress): Promise<ScaleResults[]> {
  await using topology = await Topology.create();
  await widen(topology);
  await startWebServer(topology, directory);
  await openManyPorts(topology);
  const results: ScaleResults[] = [];
  for (const targets of settings.sizes) {
    const measured: Measured = {
      ...{ readyMs: [], readyMb: [], settledMb: [], warmMs: [], drainMs: [], statusMs: [] },
      ...{ nftMs: [], nftGetMs: [], idlePercent: [], requests: [], plainRequests: [], stopMs: [] },
    };
    const rounds = targets > 1000 ? Math.min(settings.rounds, MOST_ROUNDS_OF_MANY) : settings.rounds;
    for (let round = 1; round <= rounds; round++) {
      progress.step(`${targets} targets, round ${round} of ${rounds}`);
      await measure(topology, targets, settings, measured, round === 1);
    }
    results.push({ targets, ...measured });
  }
  return results;
}

/** `whole`: with what takes seconds. */
async function measure(topology: Topology, targets: number, settings: Settings, into: Measured, whole: boolean): Promise<void> {
  const plain = async (): Promise<void> => {
    into.plainRequests.push((await requests(topology, `${BACKEND}:${String(FIRST_PORT)}`, settings.seconds, true)).perSecond);
  };
  await plain();
  const daemon = await GatewayDaemon.start(topology, commandTargets(targets));
  try {
    into.readyMs.push(daemon.readyMs);
    into.readyMb.push((await usageOf(daemon.pid)).residentMb);
    const ask = (method: number, body?: unknown): Promise<number> => timed(() => daemon.ask(method, body));
    const name = targetName(0);
    for (let time = 0; time < TIMES; time++) {
      into.warmMs.push(await ask(Method.warmTargetRequest, { name }));
      into.drainMs.push(await ask(Method.drainTargetRequest, { name, force: true }));
      into.statusMs.push(await ask(Method.statusRequest));
      await timeNft(topology, into);
    }
    await daemon.ask(Method.warmTargetRequest, { name });
    into.requests.push((await requests(topology, `${GATEWAY}:${String(FIRST_PORT)}`, settings.seconds, true)).perSecond);
    await daemon.ask(Method.drainTargetRequest, { name, force: true });
    if (whole) {
      await sleep(SETTLE_MS);
      const before = await usageOf(daemon.pid);
      await sleep(settings.idleWatchMs);
      const after = await usageOf(daemon.pid);
      into.idlePercent.push(((after.cpuMs - before.cpuMs) / settings.idleWatchMs) * 100);
    }
    into.settledMb.push((await usageOf(daemon.pid)).residentMb);
  } finally {
    into.stopMs.push(await timed(() => daemon[Symbol.asyncDispose]()));
  }
}

async function timeNft(topology: Topology, into: Measured): Promise<void> {
  // an element that is nobody's: it expires by itself with the table
  const element = `active4 '{ tcp . 192.0.2.1 . 9 }'`;
  into.nftMs.push(await timed(() => topology.shell("gateway", `nft add element inet proxygw ${element}`)));
  into.nftGetMs.push(await timed(() => topology.shell("gateway", `nft get element inet proxygw ${element}`)));
  await topology.shell("gateway", `nft delete element inet proxygw ${element}`);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

function sleep(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}
