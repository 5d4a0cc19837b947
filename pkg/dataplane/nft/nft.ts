import { Fault, hasCode } from "../../fault/fault.ts";
import type { ToolOptions, ToolResult, ToolRunner } from "../../process/process.ts";
import type { Generation } from "./generation.ts";
import { deleteTableText } from "./ruleset.ts";
import { nftFault, parseExpires, parsePackets } from "./nft-output.ts";

/** The first questions to a kernel make it load a dozen modules, at boot and from whatever disk. */
const CHECK_TIMEOUT_MS = 60_000;

/** How often something is read that transactions keep interrupting. */
const READ_TRIES = 5;

/** The nft program: one call, one transaction. */
export class Nft {
  readonly #tools: ToolRunner;
  readonly #generation: Pick<Generation, "own"> | undefined;

  /** `generation`: is told which transactions are the daemon's own. */
  constructor(tools: ToolRunner, generation?: Pick<Generation, "own">) {
    this.#tools = tools;
    this.#generation = generation;
  }

  /** Applies `text` as one transaction. `doing` completes "nft could not …". @throws Fault NFT_…, TOOL_…; see isOutcomeUnknown() */
  async apply(text: string, doing: string, signal?: AbortSignal): Promise<void> {
    const transaction = (): Promise<void> => this.#run(["-f", "-"], { input: text }, doing, signal);
    await (this.#generation === undefined ? transaction() : this.#generation.own(transaction));
  }

  /** As apply(), and once more if nft came to no end: for text that is right also where the kernel has it already. */
  async ensure(text: string, doing: string): Promise<void> {
    await this.apply(text, doing).catch((error: unknown) => {
      if (!isOutcomeUnknown(error)) throw error;
      return this.apply(text, doing);
    });
  }

  /** As ensure(). Idempotent. */
  async deleteTable(table: string): Promise<void> {
    try {
      await this.ensure(deleteTableText(table), `delete the table "inet ${table}"`);
    } catch (error) {
      if (!hasCode(error, "NFT_NOT_FOUND")) throw error;
    }
  }

  /** As apply(), but the kernel only checks. */
  async check(text: string, doing: string, signal?: AbortSignal): Promise<void> {
    await this.#run(["-c", "-f", "-"], { input: text, timeoutMs: CHECK_TIMEOUT_MS }, doing, signal);
  }

  /** Remaining lifetime in ms of an element of a set with timeout; undefined when it is not there. */
  async expires(table: string, set: string, key: string): Promise<number | undefined> {
    const text = await this.#get(table, set, key);
    return text === undefined ? undefined : parseExpires(text);
  }

  /** What an element's counter has counted; 0 when it is not there. */
  async packets(table: string, set: string, key: string): Promise<number> {
    const text = await this.#get(table, set, key);
    return text === undefined ? 0 : parsePackets(text);
  }

  async #get(table: string, set: string, key: string): Promise<string | undefined> {
    for (let left = READ_TRIES; ; left--) {
      const result = await this.#tools.run("nft", ["get", "element", "inet", table, set, `{ ${key} }`]);
      if (result.exitCode === 0) return result.stdout;
      const fault = faultOf(result, `read the element ${key} of ${set}`);
      if (fault.code === "NFT_NOT_FOUND") return undefined;
      if (fault.code !== "NFT_INTERRUPTED" || left <= 1) throw fault;
    }
  }

  async #run(args: string[], options: ToolOptions, doing: string, signal?: AbortSignal): Promise<void> {
    const result = await this.#tools.run("nft", args, signal === undefined ? options : { ...options, signal });
    if (result.exitCode === 0) return;
    throw faultOf(result, doing);
  }
}

/** Whether nft came to no end of its own: the kernel may have its transaction, or may not. */
export function isOutcomeUnknown(error: unknown): boolean {
  return hasCode(error, "NFT_KILLED") || hasCode(error, "TOOL_TIMEOUT");
}

function faultOf({ exitCode, stderr }: ToolResult, doing: string): Fault {
  return exitCode === null ? new Fault("NFT_KILLED", `nft could not ${doing}: it was killed`) : nftFault(stderr, doing);
}
