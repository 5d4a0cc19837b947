import { Fault } from "../fault/fault.ts";
import { failureOf, LongAnswers } from "./long-answers.ts";
import { type Message, NLMSG_ERROR, readErrno } from "./message.ts";
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
import { eachAnswer } from "./short-answers.ts";
import { errnoFault, type NetlinkSocket, openNetlinkSockets } from "./socket.ts";

const RECEIVE_BUFFER_BYTES = 256 * 1024;

/** @throws Fault FFI_UNAVAILABLE, or one named after errno */
export async function openRuleset(): Promise<RulesetReader> {
  return new KernelRuleset(...(await openNetlinkSockets(RECEIVE_BUFFER_BYTES)));
}

/** Two sockets: the generation may be asked for while a long answer is still being read. */
export class KernelRuleset implements RulesetReader {
  readonly #short: NetlinkSocket;
  readonly #long: LongAnswers;
  #sequence = 0;
  #closed = false;

  constructor(short: NetlinkSocket, long: NetlinkSocket) {
    this.#short = short;
    this.#long = new LongAnswers(long, "nftables");
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
        const failure = message.type === NLMSG_ERROR ? failureOf(buffer, message, "nftables") : undefined;
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
    failing("changed", () => {
      this.#refuseClosed();
      this.#short.send(editBatch(table, edits, first));
      eachAnswer(this.#short, (message, data) => {
        const isOurs = (message.sequence - first) >>> 0 < edits.length;
        const errno = isOurs && message.type === NLMSG_ERROR ? readErrno(data, message) : undefined;
        if (errno === 0) done.add(message.sequence);
        else if (errno !== undefined) throw errnoFault(errno, "nftables");
      });
      if (done.size < edits.length) throw new Fault("EBADMSG", "the kernel does not say what became of it");
    });
  }

  /** Asks what is answered in one message; `visit` is called for that. False: there was no answer. */
  #askShort(question: (sequence: number) => Buffer, visit: (message: Message, buffer: Buffer) => void): boolean {
    const sequence = ++this.#sequence >>> 0;
    let answered = false;
    failing("read", () => {
      this.#refuseClosed();
      this.#short.send(question(sequence));
      eachAnswer(this.#short, (message, data) => {
        if (message.sequence !== sequence) return;
        answered = true;
        visit(message, data);
      });
    });
    return answered;
  }

  async parts(family: RulesetFamily, table: string): Promise<RulesetPart[]> {
    const parts: RulesetPart[] = [];
    for (const question of PART_QUESTIONS) {
      await this.#ask(
        (sequence) => dumpQuestion(question, family, table, sequence),
        (message, data) => {
          const part = readPart(data, message, family, table);
          if (part !== undefined) parts.push(part);
        },
      );
    }
    return parts;
  }

  elements(table: string, set: string, visit: (element: ElementContent) => void): Promise<void> {
    return this.#ask(
      (sequence) => elementsQuestion(table, set, sequence),
      (message, data) => {
        if (message.type === TYPE_ELEMENTS) eachElement(data, message, visit);
      },
    );
  }

  async #ask(question: (sequence: number) => Buffer, visit: (message: Message, data: Buffer) => void): Promise<void> {
    const changed = await this.#long.ask(question, visit).catch((error: unknown) => {
      throw failed("read", error);
    });
    if (changed) throw new Fault("RULESET_CHANGED", "nftables was changed while it was read");
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

type Doing = "read" | "changed";

function failing<T>(doing: Doing, step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw failed(doing, error);
  }
}

function failed(doing: Doing, cause: unknown): Fault {
  return new Fault("RULESET_FAILED", `what is in nftables could not be ${doing}`, { cause });
}
