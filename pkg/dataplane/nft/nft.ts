import { Fault } from "../../fault/fault.ts";
import type { ToolRunner } from "../../process/process.ts";
import type { Generation } from "./generation.ts";
import { nftFault, parseExpires, parsePackets } from "./nft-output.ts";

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

  /** Applies `text` as one transaction. `doing` completes "nft could not …". @throws Fault NFT_… */
  async apply(text: string, doing: string, signal?: AbortSignal): Promise<void> {
    const transaction = (): Promise<void> => this.#run(["-f", "-"], text, doing, signal);
    await (this.#generation === undefined ? transaction() : this.#generation.own(transaction));
  }

  /** As apply(), but the kernel only checks. */
  async check(text: string, doing: string, signal?: AbortSignal): Promise<void> {
    await this.#run(["-c", "-f", "-"], text, doing, signal);
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
      const fault = nftFault(result.stderr, `read the element ${key} of ${set}`);
      if (fault.code === "NFT_NOT_FOUND") return undefined;
      if (fault.code !== "NFT_INTERRUPTED" || left <= 1) throw fault;
    }
  }

  async #run(args: string[], input: string, doing: string, signal?: AbortSignal): Promise<void> {
    const result = await this.#tools.run("nft", args, signal === undefined ? { input } : { input, signal });
    if (result.exitCode === 0) return;
    if (result.exitCode === null) throw new Fault("NFT_FAILED", `nft could not ${doing}: it was killed`);
    throw nftFault(result.stderr, doing);
  }
}
