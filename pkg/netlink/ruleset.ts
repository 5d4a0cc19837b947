import { Fault } from "../fault/fault.ts";
import { eachMessage, type Message, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, readErrno } from "./message.ts";
import type { ElementContent, ElementEdit, ElementState, RulesetFamily, RulesetPart, RulesetReader } from "./netlink.ts";
import {
  dumpQuestion,
  eachElement,
  editBatch,
  elementQuestion,
  elementsQuestion,
  generationQuestion,
  PART_QUESTIONS,
  readElementState,
  readGeneration,
  readPart,
  TYPE_ELEMENTS,
  TYPE_GENERATION,
} from "./ruleset-message.ts";
import { Serial } from "../serial/serial.ts";
import { errnoFault, type NetlinkSocket, openNetlinkSocket } from "./socket.ts";

const RECEIVE_BUFFER_BYTES = 256 * 1024;
/** The kernel fills at most 32 KiB at once (af_netlink.c). */
const DATAGRAM_BYTES = 64 * 1024;
/** Of questions that are answered in one message. */
const SHORT_ANSWER_BYTES = 1024;
/** How much of an answer is read at once, before everything else of the process has its turn: some 2,000 elements, 2 ms. */
const DATAGRAMS_PER_TURN = 8;

/** @throws Fault FFI_UNAVAILABLE, or one named after errno */
export async function openRuleset(): Promise<RulesetReader> {
  const short = await openNetlinkSocket(RECEIVE_BUFFER_BYTES);
  try {
    return new KernelRuleset(short, await openNetlinkSocket(RECEIVE_BUFFER_BYTES));
  } catch (error) {
    short.close();
    throw error;
  }
}

interface Answer {
  readonly sequence: number;
  readonly visit: (message: Message) => void;
  done: boolean;
  /** Nftables was, while it was given. */
  changed: boolean;
}

/** Two sockets: the generation may be asked for while a long answer is still being read. */
export class KernelRuleset implements RulesetReader {
  readonly #short: NetlinkSocket;
  readonly #long: NetlinkSocket;
  readonly #incoming = Buffer.alloc(DATAGRAM_BYTES);
  /** Of long answers: until one has been read, the kernel takes no other question on the socket. */
  readonly #serial = new Serial();
  #sequence = 0;
  #closed = false;

  constructor(short: NetlinkSocket, long: NetlinkSocket) {
    this.#short = short;
    this.#long = long;
  }

  generation(): number {
    let generation: number | undefined;
    this.#askShort(generationQuestion, (message, buffer) => {
      if (message.type === TYPE_GENERATION) generation = readGeneration(buffer, message);
    });
    if (generation === undefined) throw new Fault("RULESET_FAILED", "the kernel does not tell the generation of nftables");
    return generation;
  }

  element(table: string, set: string, key: Buffer): ElementState | undefined {
    let state: ElementState | undefined;
    const answered = this.#askShort(
      (sequence) => elementQuestion(table, set, key, sequence),
      (message, buffer) => {
        if (message.type === TYPE_ELEMENTS) state = readElementState(buffer, message);
        const failure = message.type === NLMSG_ERROR ? failureOf(buffer, message) : undefined;
        if (failure !== undefined) throw failure;
      },
    );
    if (!answered) throw new Fault("RULESET_FAILED", "the kernel does not tell the element of nftables");
    return state;
  }

  edit(table: string, edits: readonly ElementEdit[]): void {
    const first = (this.#sequence + 1) >>> 0;
    this.#sequence += edits.length;
    const done = new Set<number>();
    const buffer = Buffer.allocUnsafe(SHORT_ANSWER_BYTES);
    failing("changed", () => {
      this.#refuseClosed();
      this.#short.send(editBatch(table, edits, first));
      for (let length = this.#short.receive(buffer); length !== undefined; length = this.#short.receive(buffer)) {
        eachMessage(buffer.subarray(0, length), (message) => {
          const isOurs = (message.sequence - first) >>> 0 < edits.length;
          const errno = isOurs && message.type === NLMSG_ERROR ? readErrno(buffer, message) : undefined;
          if (errno === 0) done.add(message.sequence);
          else if (errno !== undefined) throw errnoFault(errno, "nftables");
        });
      }
      if (done.size < edits.length) throw new Fault("EBADMSG", "the kernel does not say what became of it");
    });
  }

  /** Asks what is answered in one message; `visit` is called for that. False: there was no answer. */
  #askShort(question: (sequence: number) => Buffer, visit: (message: Message, buffer: Buffer) => void): boolean {
    const sequence = ++this.#sequence >>> 0;
    let answered = false;
    const buffer = Buffer.allocUnsafe(SHORT_ANSWER_BYTES);
    failing("read", () => {
      this.#refuseClosed();
      this.#short.send(question(sequence));
      for (let length = this.#short.receive(buffer); length !== undefined; length = this.#short.receive(buffer)) {
        eachMessage(buffer.subarray(0, length), (message) => {
          if (message.sequence !== sequence) return;
          answered = true;
          visit(message, buffer);
        });
      }
    });
    return answered;
  }

  async parts(family: RulesetFamily, table: string): Promise<RulesetPart[]> {
    const parts: RulesetPart[] = [];
    for (const question of PART_QUESTIONS) {
      await this.#ask(
        (sequence) => dumpQuestion(question, family, table, sequence),
        (message) => {
          const part = readPart(this.#incoming, message, family, table);
          if (part !== undefined) parts.push(part);
        },
      );
    }
    return parts;
  }

  elements(table: string, set: string, visit: (element: ElementContent) => void): Promise<void> {
    return this.#ask(
      (sequence) => elementsQuestion(table, set, sequence),
      (message) => {
        if (message.type === TYPE_ELEMENTS) eachElement(this.#incoming, message, visit);
      },
    );
  }

  /** The kernel makes the next piece of its answer while the one before is received (af_netlink.c), so nothing has to be waited for. */
  #ask(question: (sequence: number) => Buffer, visit: (message: Message) => void): Promise<void> {
    return this.#serial.run(() => this.#askNow(question, visit));
  }

  async #askNow(question: (sequence: number) => Buffer, visit: (message: Message) => void): Promise<void> {
    const sequence = ++this.#sequence >>> 0;
    failing("read", () => {
      this.#refuseClosed();
      this.#long.send(question(sequence));
    });
    const answer = { sequence, visit, done: false, changed: false };
    for (let left = DATAGRAMS_PER_TURN; !answer.done; left--) {
      if (left === 0) {
        await new Promise((resolve) => setImmediate(resolve));
        left = DATAGRAMS_PER_TURN;
      }
      failing("read", () => {
        this.#refuseClosed();
        this.#receive(answer);
      });
    }
    // said at the end only: until an answer has been read, no other question is taken
    if (answer.changed) throw new Fault("RULESET_CHANGED", "nftables was changed while it was read");
  }

  #receive(answer: Answer): void {
    const length = this.#long.receive(this.#incoming);
    if (length === undefined) throw new Fault("EAGAIN", "the kernel's answer ended early");
    const whole = eachMessage(this.#incoming.subarray(0, length), (message) => {
      // of a question that was given up
      if (message.sequence !== answer.sequence) return;
      if ((message.flags & NLM_F_DUMP_INTR) !== 0) answer.changed = true;
      if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) this.#end(answer, message);
      else answer.visit(message);
    });
    if (!whole || length > this.#incoming.length) throw new Fault("EBADMSG", "the kernel's answer is no message");
  }

  #end(answer: Answer, message: Message): void {
    answer.done = true;
    const failure = failureOf(this.#incoming, message);
    if (failure?.code === "EINTR") answer.changed = true;
    else if (failure !== undefined) throw failure;
  }

  /** The number of a closed descriptor may be another's by now. */
  #refuseClosed(): void {
    if (this.#closed) throw new Fault("EBADF", "closed");
  }

  close(): void {
    this.#closed = true;
    this.#short.close();
    this.#long.close();
  }
}

/** That there is no such table, set or element, is an answer like any other. */
function failureOf(data: Buffer, message: Message): Fault | undefined {
  const errno = readErrno(data, message) ?? 0;
  const fault = errno === 0 ? undefined : errnoFault(errno, "nftables");
  return fault?.code === "ENOENT" ? undefined : fault;
}

function failing<T>(doing: "read" | "changed", step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw new Fault("RULESET_FAILED", `what is in nftables could not be ${doing}`, { cause: error });
  }
}
