/** How packets get to the queue on this kernel: found out by trying. */
import { Fault } from "../../fault/fault.ts";
import { QueueRules, type QueueRulesOptions } from "./queue-rules.ts";
import type { QueueWay } from "./ruleset.ts";

/** For people: "held by …". */
export const QUEUE_WAY_TEXT: Readonly<Record<QueueWay["way"], string>> = {
  statement: "the nftables queue statement",
  mark: "rules of iptables: this kernel has no nftables queue statement",
  none: "nothing",
};

/** @throws Fault HOLD_UNSUPPORTED when there is neither */
export async function findQueueWay(options: QueueRulesOptions, signal?: AbortSignal): Promise<QueueWay> {
  const { nft, queue } = options;
  const text = `table inet proxygw_probe {\nchain c {\ntype filter hook prerouting priority -300\nqueue num ${queue}\n}\n}\n`;
  let statementError: unknown;
  try {
    await nft.check(text, "use its queue statement", signal);
    return { way: "statement", queue };
  } catch (error) {
    signal?.throwIfAborted();
    statementError = error;
  }
  try {
    await new QueueRules(options).check();
    return { way: "mark" };
  } catch (error) {
    throw new Fault(
      "HOLD_UNSUPPORTED",
      "this system cannot hold packets: its kernel lacks the nftables queue statement (module nft_queue), and iptables could not do it either. " +
        "Use a distribution's kernel, or install iptables (nft variant)",
      { cause: new AggregateError([statementError, error], "") },
    );
  }
}
