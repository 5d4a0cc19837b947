import { Fault } from "../fault/fault.ts";
import { Serial } from "../serial/serial.ts";
import { eachMessage, type Message, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, readErrno } from "./message.ts";
import { errnoFault, type NetlinkSocket } from "./socket.ts";

/** The kernel fills at most 32 KiB at once (af_netlink.c). */
const DATAGRAM_BYTES = 64 * 1024;
/** How much of an answer is read at once, before everything else of the process has its turn: some 2,000 elements, 2 ms. */
const DATAGRAMS_PER_TURN = 8;

interface Answer {
  readonly sequence: number;
  readonly visit: (message: Message, data: Buffer) => void;
  done: boolean;
  /** What it tells of was, while it was given. */
  changed: boolean;
}

/** Answers in many messages (NLM_F_DUMP), one after another. Owns its socket. */
export class LongAnswers {
  readonly #socket: NetlinkSocket;
  /** What the kernel tells of, for messages. */
  readonly #about: string;
  readonly #incoming = Buffer.alloc(DATAGRAM_BYTES);
  /** Until an answer has been read, the kernel takes no other question on the socket. */
  readonly #serial = new Serial();
  #sequence = 0;
  #closed = false;

  constructor(socket: NetlinkSocket, about: string) {
    this.#socket = socket;
    this.#about = about;
  }

  /**
   * Calls `visit` for each message; its data is valid during the call only. Gives whether it was changed while it was told, and may
   * not fit together. That there is no such thing is no error, and no message. @throws Fault named after errno, EBADMSG
   */
  ask(question: (sequence: number) => Buffer, visit: Answer["visit"]): Promise<boolean> {
    return this.#serial.run(() => this.#ask(question, visit));
  }

  /** The kernel makes the next piece of its answer while the one before is received (af_netlink.c), so nothing has to be waited for. */
  async #ask(question: (sequence: number) => Buffer, visit: Answer["visit"]): Promise<boolean> {
    const sequence = ++this.#sequence >>> 0;
    this.#refuseClosed();
    this.#socket.send(question(sequence));
    const answer: Answer = { sequence, visit, done: false, changed: false };
    for (let left = DATAGRAMS_PER_TURN; !answer.done; left--) {
      if (left === 0) {
        await new Promise((resolve) => setImmediate(resolve));
        left = DATAGRAMS_PER_TURN;
      }
      this.#refuseClosed();
      this.#receive(answer);
    }
    // said at the end only: until an answer has been read, no other question is taken
    return answer.changed;
  }

  #receive(answer: Answer): void {
    const length = this.#socket.receive(this.#incoming);
    if (length === undefined) throw new Fault("EAGAIN", "the kernel's answer ended early");
    const whole = eachMessage(this.#incoming.subarray(0, length), (message) => {
      // of a question that was given up
      if (message.sequence !== answer.sequence) return;
      if ((message.flags & NLM_F_DUMP_INTR) !== 0) answer.changed = true;
      if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) this.#end(answer, message);
      else answer.visit(message, this.#incoming);
    });
    if (!whole || length > this.#incoming.length) throw new Fault("EBADMSG", "the kernel's answer is no message");
  }

  #end(answer: Answer, message: Message): void {
    answer.done = true;
    const failure = failureOf(this.#incoming, message, this.#about);
    if (failure?.code === "EINTR") answer.changed = true;
    else if (failure !== undefined) throw failure;
  }

  /** The number of a closed descriptor may be another's by now. */
  #refuseClosed(): void {
    if (this.#closed) throw new Fault("EBADF", "closed");
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#socket.close();
  }
}

/** That there is no such table, set, element or flow, is an answer like any other. */
export function failureOf(data: Buffer, message: Message, about: string): Fault | undefined {
  const errno = readErrno(data, message) ?? 0;
  const fault = errno === 0 ? undefined : errnoFault(errno, about);
  return fault?.code === "ENOENT" ? undefined : fault;
}
