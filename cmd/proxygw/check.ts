/** `proxygw check`: what a valid configuration comes to on this system. Touches nothing. */
import { readFile } from "node:fs/promises";
import type { Config } from "../../pkg/config/types.ts";
import { Nft } from "../../pkg/dataplane/nft/nft.ts";
import { hasNetAdmin } from "../../pkg/dataplane/nft/probe.ts";
import { findQueueWay, QUEUE_WAY_TEXT } from "../../pkg/dataplane/nft/queue-way.ts";
import { messageOf } from "../../pkg/fault/fault.ts";
import { systemTools } from "../../pkg/process/runner.ts";

/** Lines for people. */
export async function checkReport(file: string, config: Config): Promise<string[]> {
  const { targets, frontends } = config;
  const valid = `${file}: valid (${counted(targets, "target")}, ${counted(frontends, "frontend")})`;
  if (!frontends.some(({ whenCold }) => whenCold === "hold")) return [valid];
  return [valid, `packets for targets that are not active: ${await queueWay(config)}`];
}

async function queueWay({ dataplane }: Config): Promise<string> {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  if (!hasNetAdmin(status)) return "only root can find out how this system holds them";
  const tools = systemTools();
  const options = { nft: new Nft(tools), tools, table: dataplane.table, queue: dataplane.queue, mark: dataplane.marks.queue };
  try {
    return `held by ${QUEUE_WAY_TEXT[(await findQueueWay(options)).way]}`;
  } catch (error) {
    return `cannot be held: ${messageOf(error)}`;
  }
}

function counted({ length }: readonly unknown[], what: string): string {
  return `${length} ${what}${length === 1 ? "" : "s"}`;
}
