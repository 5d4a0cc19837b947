/** One packet queue of this network namespace, as /proc/net/netfilter/nfnetlink_queue lists it. */
export interface QueueEntry {
  readonly number: number;
  /** Netlink port of the socket that holds it; by custom the process id of its owner, but nothing enforces that. */
  readonly port: number;
  /** Packets that wait for a verdict. */
  readonly held: number;
  /** Packets dropped because the queue was full. */
  readonly overflowed: number;
}

export const QUEUE_TABLE = "/proc/net/netfilter/nfnetlink_queue";

/** Columns: number, port, held, copy mode, copy range, dropped (queue full), dropped (socket full), last id, 1. */
export function findQueue(table: string, number: number): QueueEntry | undefined {
  for (const line of table.split("\n")) {
    const columns = line.trim().split(/\s+/).map(Number);
    const [found, port, held, , , overflowed] = columns;
    if (found !== number || port === undefined || held === undefined || overflowed === undefined) continue;
    return { number, port, held, overflowed };
  }
  return undefined;
}
