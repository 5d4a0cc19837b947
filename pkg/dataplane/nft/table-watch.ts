/**
 * Notices what others do to the table, and puts it right.
 *
 * The number of the ruleset's generation is asked for four times a second, which is one short message. A stream of the
 * changes themselves would be told at once, but the kernel then writes a message for each element of each transaction,
 * whoever's it is: 100,000 elements (somebody's block list) took 2 s instead of 0.3 s, and 700 MB more of memory for a moment.
 */
import type { Clock } from "../../clock/clock.ts";
import { hasCode, messageOf } from "../../fault/fault.ts";
import type { Log } from "../../log/log.ts";
import type { RulesetReader } from "../../netlink/netlink.ts";
import type { Element } from "./elements.ts";
import type { Generation } from "./generation.ts";
import { isOutcomeUnknown, type Nft } from "./nft.ts";
import type { QueueRules } from "./queue-rules.ts";
import { describe, type ElementsDifference, isNone, repairLines, type TableDifference, without } from "./table-difference.ts";
import type { TablePart } from "./table-part.ts";
import { elementOf, isDynamic, layoutOf, PartMemory } from "./table-picture.ts";
import type { TrafficCounters } from "./traffic-counters.ts";
import type { Transactor } from "./transactor.ts";
import type { WholeTable } from "./whole-table.ts";

/** How often the generation is asked for. */
const ASK_MS = 250;
/** Elements are compared for at most this part of the time, however often others change something. */
const SHARE = 0.02;
/** And not more often than this. */
const ELEMENTS_MS = 1000;
/** How long to wait when nothing could be found out. */
const RETRY_MS = 5000;

export interface TableWatchOptions {
  readonly table: string;
  readonly whole: WholeTable;
  readonly nft: Nft;
  readonly transactor: Transactor;
  readonly generation: Generation;
  /** Is told of what will count from zero. */
  readonly traffic: Pick<TrafficCounters, "restarted" | "remaking">;
  readonly reader: RulesetReader;
  /** Of iptables, where those queue packets. */
  readonly queueRules: () => QueueRules | undefined;
  /** Forgets what the kernel itself has removed. */
  readonly forgetGone: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

const NO_ELEMENTS: ElementsDifference = { missing: [], extra: [] };
/** What others did, when the daemon's own transaction is what is looked after. */
const NO_DIFFERENCE: TableDifference = {
  parts: { missing: [], otherRules: [], otherKind: [], extraChains: [] },
  elements: NO_ELEMENTS,
};

export class TableWatch {
  readonly #options: TableWatchOptions;
  readonly #memory = new PartMemory();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  /** The parts that were looked at last. */
  #looked: readonly TablePart[] | undefined;
  /** Others changed something since the elements were compared. */
  #elementsOpen = true;
  #elementsAfter = 0;

  constructor(options: TableWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run(this.#stop.signal);
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      let pause = ASK_MS;
      try {
        await this.#lookIfDue();
      } catch (error) {
        if (!hasCode(error, "RULESET_CHANGED")) {
          log.error("could not look after the table; trying again", { error: messageOf(error), in_ms: RETRY_MS });
          pause = RETRY_MS;
        }
      }
      await clock.sleep(pause, signal).catch(() => undefined);
    }
  }

  /** Puts right what others have changed by now. @throws Fault RULESET_FAILED, NFT_… */
  async look(): Promise<void> {
    try {
      await this.#lookIfDue(true);
    } catch (error) {
      // they are at it: the next time, soon, will do
      if (!hasCode(error, "RULESET_CHANGED")) throw error;
    }
  }

  async #lookIfDue(atOnce = false): Promise<void> {
    const { clock, generation, transactor, whole } = this.#options;
    const foreign = generation.isForeign();
    this.#elementsOpen ||= foreign;
    const elementsDue = this.#elementsOpen && (atOnce || clock.now() >= this.#elementsAfter);
    // parts that are new are to be known before anybody else changes them
    if (foreign || elementsDue || this.#looked !== whole.parts()) await transactor.alone(() => this.#look(elementsDue));
  }

  async #look(withElements: boolean): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const { generation, log, table, queueRules, reader } = this.#options;
    const seen = generation.now();
    const difference = await this.#difference(withElements);
    generation.looked(seen);
    if (!isNone(difference)) await this.#putRight(difference, difference);
    const lost = (await queueRules()?.restore(reader)) ?? 0;
    if (lost > 0) log.warn("somebody else had removed rules of iptables; added them again", { table, rules: lost });
  }

  /**
   * Brings the table to where it should be, after a transaction found something missing, or when nobody knows what the kernel has;
   * `lines` are that transaction's. To be called by the transactor only. @throws Fault NFT_…
   */
  async repair(lines: readonly string[], why: "missing" | "in doubt"): Promise<void> {
    const { table } = this.#options;
    let difference: TableDifference;
    try {
      difference = await this.#difference(true);
    } catch {
      await this.#remake();
      return;
    }
    await this.#putRight(difference, why === "in doubt" ? NO_DIFFERENCE : without(lines, table, difference));
  }

  async #difference(withElements: boolean): Promise<TableDifference> {
    const { clock, reader, table, whole } = this.#options;
    await this.#options.forgetGone();
    const expected = whole.parts();
    const parts = this.#memory.compare(expected, await reader.parts("inet", table));
    this.#looked = expected;
    if (parts.missing.length === expected.length) return { parts, elements: NO_ELEMENTS };
    // what was in a set that is gone is gone as well
    if (!withElements && parts.missing.every(({ kind }) => kind === "chain")) return { parts, elements: NO_ELEMENTS };
    const begun = clock.now();
    const elements = await this.#elements(expected);
    const took = clock.now() - begun;
    this.#elementsOpen = false;
    this.#elementsAfter = clock.now() + Math.max(ELEMENTS_MS, took / SHARE);
    return { parts, elements };
  }

  async #elements(parts: readonly TablePart[]): Promise<ElementsDifference> {
    const { reader, table, whole } = this.#options;
    const missing: Element[] = [];
    const extra: Element[] = [];
    for (const part of parts) {
      if ((part.kind !== "set" && part.kind !== "map") || isDynamic(part)) continue;
      const layout = layoutOf(part);
      const expected = new Map<string, Element>();
      for (const element of whole.content.elementsOf(part.name)) expected.set(element.key, element);
      await reader.elements(table, part.name, (content) => {
        const found = elementOf(layout, content);
        if (expected.get(found.key)?.value === found.value && expected.delete(found.key)) return;
        extra.push(found);
      });
      missing.push(...expected.values());
    }
    return { missing, extra };
  }

  /** Adds what is missing and removes what is extra, as far as that goes; else a new table, which costs more (see whole()). */
  async #putRight(difference: TableDifference, foreign: TableDifference): Promise<void> {
    const { clock, log, nft, table, traffic } = this.#options;
    const begun = clock.now();
    const said = { table, ...describe(foreign) };
    const lines = this.#isGone(difference) ? undefined : repairLines(table, difference);
    if (lines !== undefined) {
      traffic.restarted(difference.elements.missing);
      try {
        if (lines.length > 0) await nft.apply(`${lines.join("\n")}\n`, `put the table "inet ${table}" right`);
        if (!isNone(foreign))
          log.warn("somebody else had changed the table; put it right", { ...said, took_ms: Math.round(clock.now() - begun) });
        return;
      } catch (error) {
        // the kernel may have it: another look will tell, and a new table would cost more
        if (isOutcomeUnknown(error)) throw error;
        log.debug("the table cannot be put right piece by piece", { error: messageOf(error) });
      }
    }
    await this.#remake();
    log.warn("somebody else had removed the table, or something of it; made it again", {
      ...(this.#isGone(difference) ? { table } : said),
      took_ms: Math.round(clock.now() - begun),
    });
  }

  async #remake(): Promise<void> {
    const { nft, table, traffic, whole } = this.#options;
    await traffic.remaking();
    await nft.apply(whole.text(this.#clocks()), `make the table "inet ${table}" again`);
  }

  #isGone({ parts }: TableDifference): boolean {
    return parts.missing.length === this.#options.whole.parts().length;
  }

  /** When the last packet came went with the table. No service is to be stopped early: all count from now. */
  #clocks(): Element[] {
    return ["4", "6"].flatMap((family) =>
      [...this.#options.whole.content.elementsOf(`endpoint${family}`)].map(({ key }) => ({ set: `active${family}`, key })),
    );
  }
}
