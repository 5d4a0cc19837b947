import { readFile } from "node:fs/promises";
import type { DataplaneConfig } from "../config/types.ts";
import { findFastPath } from "../dataplane/nft/fast-devices.ts";
import { Nft } from "../dataplane/nft/nft.ts";
import type { Lack } from "../dataplane/nft/probe.ts";
import { findQueueWay } from "../dataplane/nft/queue-way.ts";
import { hasCode } from "../fault/fault.ts";
import { openQueue } from "../netlink/open-queue.ts";
import { findQueue, QUEUE_TABLE } from "../netlink/queue-table.ts";
import type { ToolRunner } from "../process/process.ts";
import { type Answer, answerOf } from "./answer.ts";
import type { SystemFacts } from "./check-system.ts";
import { SILENT } from "./silent.ts";

/** What of a configuration the probes go by. */
export type Dataplane = Pick<DataplaneConfig, "table" | "queue" | "fastpath"> & {
  readonly marks: Pick<DataplaneConfig["marks"], "queue">;
};

/** The driver's own probes, as far as `lacks` lets them be asked. @throws Fault TOOL_TIMEOUT */
export async function collectSystem(lacks: readonly Lack[], dataplane: Dataplane, tools: ToolRunner): Promise<SystemFacts> {
  const { table, queue, marks, fastpath } = dataplane;
  const isBlocked = isUnasked(lacks);
  const nft = new Nft(tools);
  const sysctls = { get: () => Promise.resolve(undefined) };
  const [queues, way, flowtables] = await Promise.all([
    lacks.some(({ code }) => code === "PRIVILEGE_MISSING") ? undefined : answered(tryQueue),
    isBlocked ? undefined : answered(async () => (await findQueueWay({ nft, tools, table, queue, mark: marks.queue })).way),
    isBlocked || fastpath === "off"
      ? undefined
      : answered(async () => (await findFastPath(fastpath, { nft, sysctls, log: SILENT })) !== undefined),
  ]);
  return { lacks, queues, way, flowtables };
}

/** Whether nftables cannot be asked at all. */
export function isUnasked(lacks: readonly Lack[]): boolean {
  return lacks.some(
    ({ code, what }) =>
      code === "PRIVILEGE_MISSING" || code === "NFT_TOO_OLD" || (code === "TOOL_MISSING" && what.includes('"nft"')),
  );
}

/** A tool that hangs is no answer. */
async function answered<T>(step: () => Promise<T>): Promise<Answer<T>> {
  const answer = await answerOf(step);
  if ("error" in answer && hasCode(answer.error, "TOOL_TIMEOUT")) throw answer.error;
  return answer;
}

/** Opens a queue that nobody has for a moment: which one does not matter, no rule leads to it. */
async function tryQueue(): Promise<true> {
  const queues = await readFile(QUEUE_TABLE, "latin1").catch(() => "");
  let number = 65_535;
  while (number > 0 && findQueue(queues, number) !== undefined) number--;
  const nothing = (): void => undefined;
  const queue = await openQueue({
    number,
    maxLength: 1,
    receiveBufferBytes: 4096,
    onPacket: nothing,
    onOverrun: nothing,
    onError: nothing,
  });
  queue.close();
  return true;
}
