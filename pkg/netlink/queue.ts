import { Fault, hasCode } from "../fault/fault.ts";
import {
  eachMessage,
  type Message,
  MessageWriter,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
  NLMSG_OVERRUN,
  readErrno,
} from "./message.ts";
import type { PacketQueue, QueueOptions, QueueStats } from "./netlink.ts";
import {
  configMessage,
  decodePacket,
  type QueueParameters,
  TYPE_PACKET,
  type Verdict,
  VERDICT_BYTES,
  writeVerdict,
} from "./queue-message.ts";
import type { QueueEntry } from "./queue-table.ts";
import { errnoFault, type NetlinkSocket } from "./socket.ts";

/** Datagrams taken in one turn of the event loop, so that a flood of packets leaves time for everything else. */
const DATAGRAMS_PER_TURN = 64;
/** Verdicts in one datagram: far below the least send buffer. */
const VERDICTS_PER_DATAGRAM = 256;
/** A packet message without its payload takes some 100 bytes; conntrack and security data, never asked for, a few more. */
const ATTRIBUTES_BYTES = 4096;
/** Packet ids start at 1 and so are the sequence numbers of verdicts, hence 0 is free for the configuration. */
const CONFIG_SEQUENCE = 0;

type Callbacks = Pick<QueueOptions, "onPacket" | "onOverrun" | "onError">;

/** One queue over one socket. */
export class KernelQueue implements PacketQueue {
  readonly #socket: NetlinkSocket;
  readonly #parameters: QueueParameters;
  readonly #callbacks: Callbacks;
  readonly #entry: () => QueueEntry | undefined;
  readonly #incoming: Buffer;
  readonly #single = Buffer.alloc(VERDICT_BYTES);
  #state: "new" | "open" | "closed" = "new";
  #configured: number | undefined;
  #early: number[] = [];
  #packets = 0;
  #malformed = 0;
  #overruns = 0;
  #gone = 0;
  /** Datagrams received. */
  #received = 0;
  /** How many had been when some waited at the last check. */
  #receivedAtCheck: number | undefined;

  /** `entry` looks the queue up in the kernel's table. */
  constructor(socket: NetlinkSocket, parameters: QueueParameters, callbacks: Callbacks, entry: () => QueueEntry | undefined) {
    this.#socket = socket;
    this.#parameters = parameters;
    this.#callbacks = callbacks;
    this.#entry = entry;
    this.#incoming = Buffer.alloc(parameters.copyRange + ATTRIBUTES_BYTES);
  }

  /**
   * Binds the queue and begins to receive.
   * @throws Fault named after the kernel's error, or QUEUE_FAILED
   */
  start(): void {
    this.#socket.send(configMessage(this.#parameters, CONFIG_SEQUENCE));
    // the answer is there already, behind packets if rules queue them; those can't be more than the queue is long
    for (let left = this.#parameters.maxLength * 2; left >= 0 && this.#configured === undefined; left--) {
      if (!this.#receive()) break;
    }
    if (this.#configured === undefined) throw new Fault("QUEUE_FAILED", "the kernel did not answer");
    if (this.#configured !== 0) throw errnoFault(this.#configured, "bind queue");
    this.#state = "open";
    // nobody could decide on these yet: they fare as if they had come a moment before the queue was opened
    this.drop(this.#early);
    this.#early = [];
    this.#socket.watch(() => {
      this.#drain();
    });
  }

  accept(ids: number | readonly number[], mark?: number): void {
    this.#decide(ids, "accept", mark);
  }

  drop(ids: number | readonly number[]): void {
    this.#decide(ids, "drop");
  }

  stats(): QueueStats {
    const entry = this.#state === "open" ? this.#entry() : undefined;
    return {
      packets: this.#packets,
      malformed: this.#malformed,
      overruns: this.#overruns,
      gone: this.#gone,
      held: entry?.held ?? 0,
      overflows: entry?.overflowed ?? 0,
    };
  }

  check(): void {
    if (this.#state !== "open") return;
    const isWaiting = this.#socket.waiting() > 0;
    if (isWaiting && this.#receivedAtCheck === this.#received) {
      this.#fail("packets wait and are not read");
      return;
    }
    this.#receivedAtCheck = isWaiting ? this.#received : undefined;
  }

  close(): void {
    this.#state = "closed";
    this.#socket.close();
  }

  #decide(ids: number | readonly number[], verdict: Verdict, mark?: number): void {
    if (this.#state !== "open") return;
    if (typeof ids === "number") {
      const writer = new MessageWriter(this.#single);
      writeVerdict(writer, this.#parameters.number, ids, verdict, mark);
      this.#send(writer.written);
      return;
    }
    for (let from = 0; from < ids.length; from += VERDICTS_PER_DATAGRAM) {
      const some = ids.slice(from, from + VERDICTS_PER_DATAGRAM);
      const writer = new MessageWriter(Buffer.allocUnsafe(some.length * VERDICT_BYTES));
      for (const id of some) writeVerdict(writer, this.#parameters.number, id, verdict, mark);
      this.#send(writer.written);
    }
  }

  #send(messages: Buffer): void {
    if (this.#isClosed()) return;
    try {
      this.#socket.send(messages);
    } catch (error) {
      // a verdict that is lost would leave its packet in the kernel for as long as the queue is open
      this.#fail("a verdict could not be given", error);
    }
  }

  /** Level-triggered: what is left over is read in the next turn. */
  #drain(): void {
    for (let left = DATAGRAMS_PER_TURN; left > 0 && !this.#isClosed(); left--) {
      if (!this.#receive()) break;
    }
    if (!this.#isClosed()) this.#reportOverruns();
  }

  /** Takes in one datagram; false when there was none. */
  #receive(): boolean {
    let length: number | undefined;
    try {
      length = this.#socket.receive(this.#incoming);
    } catch (error) {
      // the socket suppresses it; should it come all the same, what was lost is counted after the drain
      if (hasCode(error, "ENOBUFS")) return true;
      this.#fail("packets could not be received", error);
    }
    if (length === undefined) return false;
    this.#received++;
    const whole = eachMessage(this.#incoming.subarray(0, length), (message) => {
      this.#take(message);
    });
    if (!whole || length > this.#incoming.length) this.#malformed++;
    return true;
  }

  #take(message: Message): void {
    switch (message.type) {
      case TYPE_PACKET:
        this.#takePacket(message);
        break;
      case NLMSG_ERROR:
        this.#takeAnswer(message);
        break;
      case NLMSG_NOOP:
      case NLMSG_DONE:
      case NLMSG_OVERRUN:
        break;
      default:
        this.#malformed++;
    }
  }

  #takePacket(message: Message): void {
    const { id, packet } = decodePacket(this.#incoming, message.start, message.end);
    if (packet === undefined) {
      this.#malformed++;
      if (id !== undefined) this.#refuse(id);
    } else if (this.#state === "new") {
      this.#refuse(packet.id);
    } else if (this.#state === "open") {
      this.#packets++;
      this.#callbacks.onPacket(packet);
    }
  }

  #refuse(id: number): void {
    if (this.#state === "new") this.#early.push(id);
    else this.drop(id);
  }

  #takeAnswer(message: Message): void {
    const errno = readErrno(this.#incoming, message);
    if (errno === undefined) this.#malformed++;
    else if (message.sequence === CONFIG_SEQUENCE) this.#configured = errno;
    else if (errno !== 0) this.#takeRefusal(errno);
  }

  /** ENOENT: the packet is gone. Anything else is said of the queue. */
  #takeRefusal(errno: number): void {
    const fault = errnoFault(errno, "verdict");
    if (fault.code === "ENOENT") this.#gone++;
    else this.#fail("the kernel refused a verdict", fault);
  }

  /**
   * To ask after each drain is enough: a packet is lost only while the buffer is full, so another drain is still to come.
   */
  #reportOverruns(): void {
    const count = (this.#socket.lost() - this.#overruns) >>> 0;
    if (count === 0) return;
    this.#overruns += count;
    this.#callbacks.onOverrun(count);
  }

  #fail(what: string, cause?: unknown): void {
    if (this.#isClosed()) return;
    const fault = new Fault("QUEUE_FAILED", `packet queue ${this.#parameters.number}: ${what}`, { cause });
    if (this.#state === "new") throw fault;
    this.close();
    this.#callbacks.onError(fault);
  }

  #isClosed(): boolean {
    return this.#state === "closed";
  }
}
