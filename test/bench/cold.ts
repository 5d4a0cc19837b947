/**
 * The cold path: from connect to the first byte of the answer, for a service whose start takes no time (it runs already, and
 * nobody starts it), so that what is measured is what waking adds.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { Method } from "../../pkg/ctl/method.ts";
import { until } from "../e2e/daemon.ts";
import { PYTHON } from "../e2e/on-demand.ts";
import { BACKEND, type Conversation, GATEWAY, Topology } from "../e2e/topology.ts";
import { socketProxyd } from "./contenders.ts";
import { GatewayDaemon } from "./gateway-daemon.ts";
import { COLD_PLAIN, COLD_PROXYGW } from "./names.ts";
import type { Progress } from "./progress.ts";
import type { ColdResults } from "./results.ts";
import type { Settings } from "./settings.ts";
import { startWebServer, WEB_PORT, widen } from "./web-server.ts";

/** Not counted: programs and caches are to be in memory. */
const WARM_UP = 5;
const HELD_PORT = 8081;
const ACTIVATED_PORT = 8082;
const RELAY_PORT = 8083;
const DROPPED_PORT = 8084;
const WEB_TO = `${BACKEND}:${String(WEB_PORT)}`;

/** One wake, or one connection of comparison, in ms. */
type Way = () => Promise<number>;

export async function measureCold(settings: Settings, directory: string, progress: Progress): Promise<ColdResults> {
  await using topology = await Topology.create();
  await widen(topology);
  await startWebServer(topology, directory);
  const client = new Client(topology.converse("client", PYTHON, "-IS", resolve(import.meta.dirname, "first-byte.py")));
  const results: Record<string, number[]> = {};
  const repeat = async (name: string, count: number, way: Way): Promise<void> => {
    progress.step(`${name}: ${count} times`);
    for (let at = 0; at < WARM_UP && count > WARM_UP; at++) await way();
    const values: number[] = [];
    for (let at = 0; at < count; at++) values.push(await way());
    results[name] = values;
  };
  const relay = topology.start("gateway", process.execPath, [
    ...["--import", "tsx", resolve(import.meta.dirname, "relay.ts")],
    ...[`${GATEWAY}:${String(RELAY_PORT)}`, WEB_TO],
  ]);
  await until("the relay listens", async () =>
    (await topology.run("gateway", "ss", "-Hltn")).stdout.includes(`:${String(RELAY_PORT)}`),
  );
  await repeat(COLD_PLAIN, settings.wakes, () => client.firstByte(BACKEND, WEB_PORT));
  await repeat("accept and relay (Node)", settings.wakes, () => client.firstByte(GATEWAY, RELAY_PORT));
  relay.kill("SIGTERM");
  const proxyd = await socketProxyd();
  await repeat("systemd socket activation", settings.wakes, () => activated(topology, client, proxyd));
  await repeat("SYN dropped, client tries again", settings.slowWakes, () => dropped(topology, client));
  {
    await using daemon = await startDaemon(topology);
    await repeat("proxygw, warm", settings.wakes, () => client.firstByte(GATEWAY, HELD_PORT));
    await repeat(COLD_PROXYGW, settings.wakes, async () => {
      await drained(daemon);
      return client.firstByte(GATEWAY, HELD_PORT);
    });
  }
  return results;
}

class Client {
  readonly #conversation: Conversation;

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
  }

  async firstByte(host: string, port: number): Promise<number> {
    this.#conversation.say(`${host} ${String(port)}`);
    const answer = await this.#conversation.hear();
    const ms = Number(answer) / 1000;
    if (!Number.isFinite(ms)) throw new Error(`no answer from ${host}:${port}: ${answer}`);
    return ms;
  }
}

async function startDaemon(topology: Topology): Promise<GatewayDaemon> {
  const endpoints = [{ name: "web", protocol: "tcp", address: WEB_TO }];
  const listen = `${GATEWAY}:${String(HELD_PORT)}`;
  const daemon = await GatewayDaemon.start(topology, {
    targets: [{ name: "backend", kind: "static:none", endpoints }],
    frontends: [{ name: "front", kind: "static:on-demand", listen, target: "backend:web" }],
  });
  await daemon.ask(Method.warmTargetRequest, { name: "backend" });
  return daemon;
}

/** The wake before may be on its last steps when its client has its answer already. */
async function drained(daemon: GatewayDaemon): Promise<void> {
  await until("the target is active", async () => (await daemon.targetState("backend")) === "active");
  await daemon.ask(Method.drainTargetRequest, { name: "backend", force: true });
}

/** systemd-socket-activate works as systemd's sockets do: listens, and starts the program with the first connection. */
async function activated(topology: Topology, client: Client, program: string): Promise<number> {
  const listen = `${GATEWAY}:${String(ACTIVATED_PORT)}`;
  const args = ["netns", "exec", topology.namespace("gateway"), "systemd-socket-activate", "-l", listen, program, WEB_TO];
  const child = spawn("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "exit");
  try {
    await new Promise<void>((listening, failed) => {
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        if (text.includes("Listening on")) listening();
      });
      child.once("exit", (code) => {
        failed(new Error(`systemd-socket-activate ended with ${String(code)}`));
      });
    });
    return await client.firstByte(GATEWAY, ACTIVATED_PORT);
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

/** At its best: as soon as the first SYN was dropped, the way is open. */
async function dropped(topology: Topology, client: Client): Promise<number> {
  const to = `tcp dport ${String(DROPPED_PORT)}`;
  await topology.shell(
    "gateway",
    `nft 'add table ip cold; add chain ip cold early { type filter hook prerouting priority raw; }; add chain ip cold nat { type nat hook prerouting priority dstnat; }; add rule ip cold nat ip daddr ${GATEWAY} ${to} dnat to ${WEB_TO}; add rule ip cold early ip daddr ${GATEWAY} ${to} drop'`,
  );
  const answer = client.firstByte(GATEWAY, DROPPED_PORT);
  await new Promise((wake) => setTimeout(wake, 50));
  await topology.shell("gateway", "nft flush chain ip cold early");
  const took = await answer;
  await topology.shell("gateway", "nft delete table ip cold");
  return took;
}
