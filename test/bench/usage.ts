/** What a process has used, as the kernel tells it. */
import { readFile } from "node:fs/promises";

/** USER_HZ: what /proc counts time in, the same on every Linux that Node.js runs on. */
const TICK_MS = 10;

export interface Usage {
  /** CPU time in ms, with that of children that have ended. */
  readonly cpuMs: number;
  readonly residentMb: number;
}

export async function usageOf(pid: number): Promise<Usage> {
  const [stat, status] = await Promise.all(["stat", "status"].map((name) => readFile(`/proc/${String(pid)}/${name}`, "utf8")));
  // the name, the second field, may hold spaces
  const fields = (stat ?? "").slice((stat ?? "").lastIndexOf(")") + 2).split(" ");
  const ticks = fields.slice(11, 15).reduce((sum, each) => sum + Number(each), 0);
  return { cpuMs: ticks * TICK_MS, residentMb: (Number(/VmRSS:\s+(\d+)/.exec(status ?? "")?.[1]) * 1024) / 1e6 };
}

/** CPU time in ms that all of the machine has spent, without idling and waiting; softirq included, which no process is charged for. */
export async function machineCpuMs(): Promise<number> {
  const [, user, nice, system, , , irq, softirq] = (await readFile("/proc/stat", "utf8")).split("\n", 1)[0]?.split(/\s+/) ?? [];
  return [user, nice, system, irq, softirq].reduce((sum, each) => sum + Number(each), 0) * TICK_MS;
}
