/**
 * What holding costs: how much longer a connection takes that is held and let go at once (a target without a start)
 * than one through plain DNAT, interleaved; and the daemon's memory with 10,000 flows held.
 */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { Daemon, until } from "../e2e/daemon.ts";
import { BACKEND, GATEWAY, Topology } from "../e2e/topology.ts";

const RUNS = 500;
const HELD_FLOWS = 10_000;
const script = (name: string): string => resolve(import.meta.dirname, name);

async function main(): Promise<void> {
  await using topology = await Topology.create();
  topology.start("backend", "python3", [script("../e2e/quick.py"), "tcp", BACKEND, "8080"]);
  await until("the backend listens", async () => (await topology.run("backend", "ss", "-ltn")).stdout.includes(":8080"));
  await using daemon = await Daemon.start(topology, {
    log: { level: "INFO" },
    targets: [target("backend", "none", "8080"), target("never", "tcp", "9")],
    frontends: [
      frontend("front", "8088", "backend"),
      frontend("never", "8089", "never", { hold: { max_flows: 16_384, timeout: "5m" } }),
    ],
  });
  await memory(topology, daemon);
  await latency(topology, daemon);
}

function target(name: string, probe: string, port: string): object {
  const endpoints = [{ name: "main", protocol: "tcp", address: `${BACKEND}:${port}` }];
  return { name, kind: "static:none", endpoints, ready: { probe, timeout: "5m" } };
}

function frontend(name: string, port: string, to: string, more: object = {}): object {
  return { name, kind: "static:on-demand", listen: `0.0.0.0:${port}`, target: `${to}:main`, ...more };
}

async function latency(topology: Topology, daemon: Daemon): Promise<void> {
  const client = spawn("ip", ["netns", "exec", topology.namespace("client"), "python3", script("connect.py"), GATEWAY, "8088"]);
  const answers = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
  const connect = async (): Promise<number> => {
    client.stdin.write("\n");
    const { value } = (await answers.next()) as { value: string };
    return Number(value) / 1000;
  };
  const held: number[] = [];
  const plain: number[] = [];
  for (let run = 0; run < RUNS + 20; run++) {
    await daemon.drain();
    const first = await connect();
    await until("the target is active", async () => (await daemon.targetState()) === "active");
    const second = await connect();
    if (run < 20) continue;
    held.push(first);
    plain.push(second);
  }
  client.stdin.end();
  report(`connect through plain DNAT, ${String(RUNS)} runs`, plain);
  report("connect that is held and let go at once", held);
  for (const at of [0.5, 0.99]) {
    console.log(`added at p${String(at * 100)}: ${(quantile(held, at) - quantile(plain, at)).toFixed(2)} ms`);
  }
}

function report(what: string, values: number[]): void {
  console.log(`${what}: p50 ${quantile(values, 0.5).toFixed(2)} ms, p99 ${quantile(values, 0.99).toFixed(2)} ms`);
}

function quantile(values: number[], at: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? NaN;
}

async function memory(topology: Topology, daemon: Daemon): Promise<void> {
  const before = await residentMiB(daemon.pid);
  // as many sockets that never connect
  const open = `import resource,socket,time
resource.setrlimit(resource.RLIMIT_NOFILE,(20000,20000))
sockets=[]
for i in range(${String(HELD_FLOWS)}):
  s=socket.socket(); s.setblocking(False); s.connect_ex(("${GATEWAY}",8089)); sockets.append(s)
  if i%500==0: time.sleep(0.02)
time.sleep(60)`;
  const clients = topology.start("client", "python3", ["-c", open]);
  await until("all flows are held", async () => ((await daemon.frontend("never"))?.holding ?? 0) >= HELD_FLOWS, 50_000);
  const after = await residentMiB(daemon.pid);
  clients.kill("SIGKILL");
  console.log(
    `memory idle ${before.toFixed(1)} MiB, with ${String(HELD_FLOWS)} held flows ${after.toFixed(1)} MiB: ${(after - before).toFixed(1)} MiB more`,
  );
}

async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${String(pid)}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

await main();
