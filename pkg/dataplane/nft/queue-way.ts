/** How packets get to the queue on this kernel: found out by trying. */
import { Fault, messageOf } from "../../fault/fault.ts";
import type { ToolRunner } from "../../process/process.ts";
import type { RulesetReader } from "../../netlink/netlink.ts";
import type { Nft } from "./nft.ts";
import { hex, type QueueWay } from "./ruleset.ts";

/** For people: "held by …". */
export const QUEUE_WAY_TEXT: Readonly<Record<QueueWay["way"], string>> = {
  statement: "the nftables queue statement",
  mark: "rules of iptables: this kernel has no nftables queue statement",
  none: "nothing",
};

export interface QueueWayOptions {
  readonly nft: Nft;
  readonly tools: ToolRunner;
  readonly table: string;
  readonly queue: number;
  /** The packet mark's bit by which iptables' rules know what to queue. */
  readonly mark: number;
}

/** @throws Fault HOLD_UNSUPPORTED when there is neither */
export async function findQueueWay(options: QueueWayOptions): Promise<QueueWay> {
  const { nft, queue } = options;
  const text = `table inet proxygw_probe {\nchain c {\ntype filter hook prerouting priority -300\nqueue num ${queue}\n}\n}\n`;
  let statementError: unknown;
  try {
    await nft.check(text, "use its queue statement");
    return { way: "statement", queue };
  } catch (error) {
    statementError = error;
  }
  try {
    await new QueueRules(options).check();
    return { way: "mark" };
  } catch (error) {
    throw new Fault(
      "HOLD_UNSUPPORTED",
      "this system cannot hold packets: its kernel lacks the nftables queue statement (module nft_queue), and iptables could not do it either. " +
        "Use a distribution's kernel, or install iptables (nft variant)",
      { cause: new AggregateError([statementError, error], "") },
    );
  }
}

const PROGRAMS = ["iptables", "ip6tables"] as const;
const CHAINS = ["PREROUTING", "OUTPUT"] as const;

/** The four rules of iptables that queue marked packets; their comment says whose they are. */
export class QueueRules {
  readonly #options: QueueWayOptions;
  #legacy = false;

  constructor(options: QueueWayOptions) {
    this.#options = options;
  }

  /** @throws Fault IPTABLES_FAILED, TOOL_MISSING where the rules could not be added */
  async check(): Promise<void> {
    for (const program of PROGRAMS) await this.#run(program, ["-t", "raw", "-S", "PREROUTING"]);
  }

  /** Gives how many were not there. Idempotent: rules that a dead daemon left are used. @throws Fault IPTABLES_FAILED */
  async add(): Promise<number> {
    let added = 0;
    for (const program of PROGRAMS) {
      for (const chain of CHAINS) {
        if (await this.#has(program, chain)) continue;
        await this.#run(program, ["-t", "raw", "-A", chain, ...this.#match()]);
        added++;
      }
    }
    return added;
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
    const failures: unknown[] = [];
    for (const program of PROGRAMS) {
      try {
        for (const chain of CHAINS) {
          while (await this.#has(program, chain)) await this.#run(program, ["-t", "raw", "-D", chain, ...this.#match()]);
        }
        await this.#removeEmptyTable(program);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0)
      throw new Fault("IPTABLES_FAILED", "some rules of iptables could not be removed", { cause: failures[0] });
  }

  async #removeEmptyTable(program: string): Promise<void> {
    const { exitCode, stdout } = await this.#options.tools.run(program, ["-w", "-t", "raw", "-S"]);
    const untouched = stdout
      .trim()
      .split("\n")
      .every((line) => /^-P (PREROUTING|OUTPUT) ACCEPT$/.test(line));
    if (exitCode !== 0 || !untouched) return;
    const family = program === "iptables" ? "ip" : "ip6";
    // legacy iptables has no such table of nft's
    await this.#options.nft.apply(`delete table ${family} raw\n`, "remove iptables' empty raw table").catch(() => undefined);
  }

  async #has(program: string, chain: string): Promise<boolean> {
    const { exitCode } = await this.#options.tools.run(program, ["-w", "-t", "raw", "-C", chain, ...this.#match()]);
    if (exitCode === null) throw killed(program);
    return exitCode === 0;
  }

  #match(): string[] {
    const { mark, queue } = this.#options;
    return [
      ...["-m", "mark", "--mark", `${hex(mark)}/${hex(mark)}`],
      ...["-m", "comment", "--comment", this.#comment()],
      ...["-j", "NFQUEUE", "--queue-num", String(queue)],
    ];
  }

  #comment(): string {
    return `proxygw ${this.#options.table}`;
  }

  async #run(program: string, args: readonly string[]): Promise<void> {
    const { exitCode, stderr } = await this.#options.tools.run(program, ["-w", ...args]);
    if (exitCode === null) throw killed(program);
    if (exitCode !== 0) throw new Fault("IPTABLES_FAILED", `${program} failed: ${messageOf(stderr.trim().split("\n")[0])}`);
  }
}

function killed(program: string): Fault {
  return new Fault("IPTABLES_FAILED", `${program} was killed`);
}
