import { Fault, hasCode } from "../../fault/fault.ts";
import type { Log } from "../../log/log.ts";
import type { HoldQueue } from "./hold-queue.ts";
import { QueueRules, type QueueRulesOptions } from "./queue-rules.ts";
import { QUEUE_WAY_TEXT } from "./queue-way.ts";
import type { QueueWay } from "./ruleset.ts";

/** How packets come to the open queue. */
export interface QueuePath {
  readonly way: QueueWay;
  /** Where iptables takes them there. */
  readonly rules: QueueRules | undefined;
}

/** Before the table: what its rules send to the queue must find it. @throws Fault QUEUE_BUSY, … */
export async function openQueuePath(way: QueueWay, options: QueueRulesOptions, queue: HoldQueue, log: Log): Promise<QueuePath> {
  await queue.open().catch((cause: unknown) => {
    if (!hasCode(cause, "QUEUE_BUSY")) throw cause;
    const message = `packet queue ${options.queue} is held by another program; give this one its own with dataplane.queue`;
    throw new Fault("QUEUE_BUSY", message, { cause });
  });
  log.info("packets for targets that are not active are held", { queue: options.queue, by: QUEUE_WAY_TEXT[way.way] });
  return { way, rules: way.way === "mark" ? new QueueRules(options) : undefined };
}
