import { readFileSync } from "node:fs";
import { Fault, hasCode } from "../fault/fault.ts";
import type { PacketQueue, QueueOptions } from "./netlink.ts";
import type { QueueParameters } from "./queue-message.ts";
import { findQueue, QUEUE_TABLE, type QueueEntry } from "./queue-table.ts";
import { KernelQueue } from "./queue.ts";
import { type NetlinkSocket, openNetlinkSocket } from "./socket.ts";

const DEFAULT_COPY_RANGE = 256;
const DEFAULT_MAX_LENGTH = 16_384;
/**
 * What an unread packet is charged to the receive buffer besides its copied bytes: 1,280 bytes in all were seen with 256
 * of them. The kernel doubles the size asked for, which leaves a margin.
 */
const CHARGE_BYTES = 1024;

/**
 * Opens a queue of this process's network namespace. Nothing is queued before a rule says so; until a rule's queue is
 * open, its packets are dropped. Keeps the process alive until it is closed.
 * @throws Fault QUEUE_BUSY (another socket has it), QUEUE_UNSUPPORTED (the kernel has no packet queues),
 *   PRIVILEGE_MISSING (CAP_NET_ADMIN), FFI_UNAVAILABLE, QUEUE_FAILED
 */
export async function openQueue(options: QueueOptions): Promise<PacketQueue> {
  const copyRange = options.copyRange ?? DEFAULT_COPY_RANGE;
  const maxLength = options.maxLength ?? DEFAULT_MAX_LENGTH;
  const parameters: QueueParameters = { number: options.number, copyRange, maxLength };
  const socket = await openSocket(options.receiveBufferBytes ?? maxLength * (CHARGE_BYTES + copyRange));
  const queue = new KernelQueue(socket, parameters, options, () => queueEntry(options.number));
  try {
    queue.start();
  } catch (error) {
    queue.close();
    throw classified(error, options.number);
  }
  return queue;
}

async function openSocket(receiveBufferBytes: number): Promise<NetlinkSocket> {
  try {
    return await openNetlinkSocket(receiveBufferBytes);
  } catch (error) {
    if (hasCode(error, "EPROTONOSUPPORT")) throw unsupported(error);
    if (hasCode(error, "FFI_UNAVAILABLE")) throw error;
    throw new Fault("QUEUE_FAILED", "the kernel's packet queues could not be reached", { cause: error });
  }
}

function classified(error: unknown, number: number): Fault {
  // the kernel says EPERM both for a missing privilege and for a queue that belongs to another socket
  if (hasCode(error, "EPERM")) {
    const owner = queueEntry(number);
    if (owner !== undefined) {
      const message = `packet queue ${number} is held by another program (netlink port ${owner.port}, often its process id)`;
      return new Fault("QUEUE_BUSY", message, { cause: error });
    }
    return new Fault("PRIVILEGE_MISSING", "packet queues need root or the capability CAP_NET_ADMIN", { cause: error });
  }
  if (hasCode(error, "QUEUE_FAILED")) return error as Fault;
  if (hasCode(error, "EBUSY")) return new Fault("QUEUE_BUSY", `packet queue ${number} is taken`, { cause: error });
  if (hasCode(error, "EINVAL") || hasCode(error, "EOPNOTSUPP")) return unsupported(error);
  return new Fault("QUEUE_FAILED", `packet queue ${number} could not be opened`, { cause: error });
}

function unsupported(cause: unknown): Fault {
  return new Fault("QUEUE_UNSUPPORTED", "this kernel has no packet queues: the module nfnetlink_queue is missing", { cause });
}

function queueEntry(number: number): QueueEntry | undefined {
  try {
    return findQueue(readFileSync(QUEUE_TABLE, "latin1"), number);
  } catch {
    // for root only, and missing with the module
    return undefined;
  }
}
