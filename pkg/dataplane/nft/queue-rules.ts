/** The rules of iptables that bring packets to the queue, where nftables has no queue statement; what `iptables -S` prints is read here only. */
import { Fault, messageOf } from "../../fault/fault.ts";
import type { RulesetReader } from "../../netlink/netlink.ts";
import type { ToolResult, ToolRunner } from "../../process/process.ts";
import type { Nft } from "./nft.ts";
import { hex } from "./ruleset.ts";

export interface QueueRulesOptions {
  readonly nft: Nft;
  readonly tools: ToolRunner;
  readonly table: string;
  readonly queue: number;
  /** The packet mark's bit by which iptables' rules know what to queue. */
  readonly mark: number;
}

const PROGRAMS = ["iptables", "ip6tables"] as const;
const CHAINS = ["PREROUTING", "OUTPUT"] as const;
type Program = (typeof PROGRAMS)[number];

/** The four rules of iptables that queue marked packets; their comment says whose they are. */
export class QueueRules {
  readonly #options: QueueRulesOptions;
  #legacy = false;

  constructor(options: QueueRulesOptions) {
    this.#options = options;
  }

  /** @throws Fault IPTABLES_FAILED, TOOL_MISSING where the rules could not be added */
  async check(): Promise<void> {
    await eachProgram((program) => this.#listed(program));
  }

  /**
   * Gives how many were not there. Idempotent: rules that a dead daemon left are used, and those that it had for another queue
   * go. @throws Fault IPTABLES_FAILED
   */
  async add(): Promise<number> {
    const added = await eachProgram(async (program) => {
      const listed = (await this.#listed(program)).filter((line) => this.#isOwn(line));
      const wanted = CHAINS.map((chain) => `-A ${chain} ${this.#rule()}`);
      const missing = wanted.filter((line) => !listed.includes(line));
      // one of a kind stays
      const surplus = listed.filter((line, at) => !wanted.includes(line) || listed.indexOf(line) !== at);
      await this.#change(program, [...surplus.map(deletion), ...missing]);
      return missing.length;
    });
    return added.reduce((sum, each) => sum + each, 0);
  }

  /**
   * As add(), at the cost of a look at nftables where nothing is missing. The rules of iptables' legacy variant are not in there:
   * once that is known, nothing is looked for (see `legacy`). @throws Fault IPTABLES_FAILED, RULESET_CHANGED, RULESET_FAILED
   */
  async restore(reader: RulesetReader): Promise<number> {
    if (this.#legacy || (await this.#areInNftables(reader))) return 0;
    const added = await this.add();
    this.#legacy = added === 0 && !(await this.#areInNftables(reader));
    return added;
  }

  /** Whether iptables keeps its rules where nobody is told of their end: they are to be added again now and then. */
  get legacy(): boolean {
    return this.#legacy;
  }

  async #areInNftables(reader: RulesetReader): Promise<boolean> {
    for (const family of ["ip", "ip6"] as const) {
      const rules = (await reader.parts(family, "raw")).filter(({ kind }) => kind === "rule");
      const own = rules.filter(({ identity }) => identity.includes(`${this.#comment()}\0`));
      if (!CHAINS.every((chain) => own.some(({ name }) => name === chain))) return false;
    }
    return true;
  }

  /** Idempotent. Tables that are empty without them are removed as well: iptables makes them, and never takes them away. */
  async remove(): Promise<void> {
    await eachProgram((program) => this.#removeFrom(program)).catch((cause: unknown) => {
      throw new Fault("IPTABLES_FAILED", "some rules of iptables could not be removed", { cause });
    });
  }

  async #removeFrom(program: Program): Promise<void> {
    const listed = await this.#listed(program);
    const own = listed.filter((line) => this.#isOwn(line));
    await this.#change(program, own.map(deletion));
    if (listed.length > own.length) return;
    const family = program === "iptables" ? "ip" : "ip6";
    // legacy iptables has no such table of nft's
    await this.#options.nft.apply(`delete table ${family} raw\n`, "remove iptables' empty raw table").catch(() => undefined);
  }

  /** All that is in the raw table beside chains that are as the kernel has them, as `-A CHAIN RULE`, `-N CHAIN`, `-P CHAIN DROP`. */
  async #listed(program: Program): Promise<string[]> {
    const { stdout } = await this.#run(program, ["-w", "-t", "raw", "-S"]);
    return stdout.split("\n").filter((line) => line !== "" && !/^-P (PREROUTING|OUTPUT) ACCEPT$/.test(line));
  }

  /** All of it or nothing: iptables-restore(8) commits a table at once. */
  async #change(program: Program, lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    const input = `*raw\n${lines.join("\n")}\nCOMMIT\n`;
    await this.#run(`${program}-restore`, ["-w", "--noflush"], input);
  }

  #isOwn(line: string): boolean {
    return line.startsWith("-A ") && line.includes(` --comment "${this.#comment()}" `);
  }

  /** Word for word as `-S` prints it. */
  #rule(): string {
    const { mark, queue } = this.#options;
    const comment = `-m comment --comment "${this.#comment()}"`;
    return `-m mark --mark ${hex(mark)}/${hex(mark)} ${comment} -j NFQUEUE --queue-num ${queue}`;
  }

  #comment(): string {
    return `proxygw ${this.#options.table}`;
  }

  async #run(program: string, args: readonly string[], input?: string): Promise<ToolResult> {
    const result = await this.#options.tools.run(program, args, input === undefined ? {} : { input });
    const { exitCode, stderr } = result;
    if (exitCode === null) throw new Fault("IPTABLES_FAILED", `${program} was killed`);
    if (exitCode !== 0) throw new Fault("IPTABLES_FAILED", `${program} failed: ${messageOf(stderr.trim().split("\n")[0])}`);
    return result;
  }
}

/** Both at once; if both fail, the first one's failure is told, when both have ended. */
async function eachProgram<T>(work: (program: Program) => Promise<T>): Promise<T[]> {
  const results = await Promise.allSettled(PROGRAMS.map(work));
  return results.map((each) => {
    if (each.status === "rejected") throw each.reason;
    return each.value;
  });
}

function deletion(line: string): string {
  return line.replace(/^-A /, "-D ");
}
