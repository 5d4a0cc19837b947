import { Fault } from "../fault/fault.ts";
import { sameAddrPort } from "../value/addr-port.ts";
import { deleteQuestion, type FlowName, flowsQuestion, readFlow, readFlowName, TYPE_FLOW } from "./flow-message.ts";
import { failureOf, LongAnswers } from "./long-answers.ts";
import { type Message, NLMSG_ERROR, readErrno } from "./message.ts";
import type { FlowFilter, FlowTable, KernelFlow } from "./netlink.ts";
import { eachAnswer } from "./short-answers.ts";
import { type NetlinkSocket, openNetlinkSockets } from "./socket.ts";

const RECEIVE_BUFFER_BYTES = 256 * 1024;
/** Deletions before everything else of the process has its turn: each takes some microseconds. */
const DELETIONS_PER_TURN = 256;
/** What the kernel says of connections, in messages. */
const ABOUT = "connections";

/** @throws Fault FFI_UNAVAILABLE, or one named after errno */
export async function openFlows(): Promise<FlowTable> {
  return new KernelFlows(...(await openNetlinkSockets(RECEIVE_BUFFER_BYTES)));
}

/** @throws Fault FLOWS_FAILED where this kernel does not tell of connections (module nf_conntrack_netlink), FFI_UNAVAILABLE */
export async function tryFlows(): Promise<void> {
  const flows = await openFlows();
  try {
    // nobody's: a source of answers has a port
    const replySource = { family: "ipv4", address: "127.0.0.1", port: 0 } as const;
    await flows.each({ family: "ipv4", protocol: "udp", replySource }, () => undefined);
  } finally {
    flows.close();
  }
}

export class KernelFlows implements FlowTable {
  readonly #short: NetlinkSocket;
  readonly #long: LongAnswers;
  #sequence = 0;
  #closed = false;

  constructor(short: NetlinkSocket, long: NetlinkSocket) {
    this.#short = short;
    this.#long = new LongAnswers(long, ABOUT);
  }

  each(filter: FlowFilter, visit: (flow: KernelFlow) => void): Promise<void> {
    return this.#each(filter, visit);
  }

  async #each(filter: FlowFilter, visit: (flow: KernelFlow, message: Message, data: Buffer) => void): Promise<void> {
    const question = (sequence: number): Buffer => flowsQuestion(filter, sequence);
    await this.#long
      .ask(question, (message, data) => {
        const flow = message.type === TYPE_FLOW ? readFlow(data, message) : undefined;
        if (flow !== undefined && isOf(flow, filter)) visit(flow, message, data);
      })
      .catch((error: unknown) => {
        throw failed("read", error);
      });
  }

  async delete(filter: FlowFilter, which: (flow: KernelFlow) => boolean): Promise<number> {
    const names: FlowName[] = [];
    await this.#each(filter, (flow, message, data) => {
      if (which(flow)) names.push(readFlowName(data, message));
    });
    let deleted = 0;
    let failure: unknown;
    for (const [at, name] of names.entries()) {
      if (at % DELETIONS_PER_TURN === DELETIONS_PER_TURN - 1) await new Promise((resolve) => setImmediate(resolve));
      try {
        if (this.#delete(name)) deleted++;
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failed("deleted", failure);
    return deleted;
  }

  /** False: there is no such flow any more. */
  #delete(name: FlowName): boolean {
    // the number of a closed descriptor may be another's by now
    if (this.#closed) throw new Fault("EBADF", "closed");
    const sequence = ++this.#sequence >>> 0;
    this.#short.send(deleteQuestion(name, sequence));
    let done: boolean | undefined;
    eachAnswer(this.#short, (message, data) => {
      if (message.sequence !== sequence || message.type !== NLMSG_ERROR) return;
      const refusal = failureOf(data, message, ABOUT);
      if (refusal !== undefined) throw refusal;
      done = readErrno(data, message) === 0;
    });
    if (done === undefined) throw new Fault("EBADMSG", "the kernel does not say what became of it");
    return done;
  }

  close(): void {
    this.#closed = true;
    this.#short.close();
    this.#long.close();
  }
}

/** The kernel may have told of more. */
function isOf(flow: KernelFlow, { protocol, replySource }: FlowFilter): boolean {
  if (protocol !== undefined && protocol !== flow.protocol) return false;
  return replySource === undefined || sameAddrPort(flow.endpoint, replySource);
}

function failed(doing: "read" | "deleted", cause: unknown): Fault {
  return new Fault("FLOWS_FAILED", `the connections that the kernel knows could not be ${doing}`, { cause });
}
