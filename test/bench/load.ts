/** wrk and iperf3, run on the client against an address, and what they report. */
import type { Ran, Topology } from "../e2e/topology.ts";
import { machineCpuMs } from "./usage.ts";

const CONNECTIONS = 64;

export interface Requests {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of the whole machine. */
  readonly cpuMsPer100k: number;
}

/** @throws Error with what wrk says when requests failed: figures of those would be worth nothing */
export async function requests(topology: Topology, address: string, seconds: number, kept: boolean): Promise<Requests> {
  const header = kept ? [] : ["-H", "Connection: close"];
  const whole = Math.max(1, Math.round(seconds));
  const args = ["--latency", "-t2", `-c${String(CONNECTIONS)}`, `-d${String(whole)}s`, "--timeout", "5s", ...header];
  const before = await machineCpuMs();
  const ran = await topology.run("client", "wrk", ...args, `http://${address}/`);
  const cpuMs = (await machineCpuMs()) - before;
  return parseWrk(ran, cpuMs);
}

export function parseWrk({ stdout, stderr }: Pick<Ran, "stdout" | "stderr">, cpuMs: number): Requests {
  const number = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1] ?? NaN);
  const perSecond = number(/Requests\/sec:\s+([\d.]+)/);
  const count = number(/(\d+) requests in/);
  const failed = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout);
  // with a connection each, wrk counts the service's regular end of one as a failed read
  const failures = failed === null ? 0 : Number(failed[1]) + Number(failed[3]) + Number(failed[4]);
  if (!(perSecond > 0) || failures > count / 100) throw new Error(`wrk: ${stdout} ${stderr}`);
  return { perSecond, p50Ms: latency(stdout, "50%"), p99Ms: latency(stdout, "99%"), cpuMsPer100k: (cpuMs / count) * 100_000 };
}

const MS = { us: 0.001, ms: 1, s: 1000, m: 60_000 } as const;

function latency(text: string, line: string): number {
  const found = new RegExp(`^\\s+${line}\\s+([\\d.]+)(us|ms|s|m)$`, "m").exec(text);
  return Number(found?.[1]) * MS[(found?.[2] ?? "ms") as keyof typeof MS];
}

export interface Stream {
  readonly gbitPerSecond: number;
  readonly cpuMsPerGb: number;
}

export async function stream(topology: Topology, { host, port }: Place, seconds: number, count: number): Promise<Stream> {
  const before = await machineCpuMs();
  const report = await iperf(topology, ["-c", host, "-p", String(port), "-t", String(seconds), "-P", String(count)]);
  const cpuMs = (await machineCpuMs()) - before;
  const { bits_per_second: bits, bytes } = report.end.sum_received ?? { bits_per_second: NaN, bytes: NaN };
  return { gbitPerSecond: bits / 1e9, cpuMsPerGb: cpuMs / (bytes / 1e9) };
}

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Datagrams of 64 bytes received per second, sent as fast as the client can. */
export async function datagrams(topology: Topology, { host, port }: Place, seconds: number): Promise<number> {
  const report = await iperf(topology, ["-c", host, "-p", String(port), "-t", String(seconds), "-u", "-b", "0", "-l", "64"]);
  const { packets = NaN, lost_packets: lost = NaN, seconds: took = NaN } = report.end.sum ?? {};
  return (packets - lost) / took;
}

interface IperfReport {
  readonly error?: string;
  readonly end: {
    readonly sum_received?: { readonly bits_per_second: number; readonly bytes: number };
    readonly sum?: { readonly packets?: number; readonly lost_packets?: number; readonly seconds?: number };
  };
}

const IPERF_TRIES = 10;

async function iperf(topology: Topology, args: readonly string[]): Promise<IperfReport> {
  for (let left = IPERF_TRIES; ; left--) {
    const { stdout } = await topology.run("client", "iperf3", "-J", ...args);
    const report = JSON.parse(stdout) as IperfReport;
    if (report.error === undefined) return report;
    // the server takes one client at a time, and may not have noticed the end of the last one
    if (left <= 1) throw new Error(`iperf3 ${args.join(" ")}: ${report.error}`);
    await new Promise((wake) => setTimeout(wake, 500));
  }
}
