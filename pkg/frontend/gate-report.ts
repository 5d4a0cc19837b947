import type { Mapping, MappingCounters } from "../dataplane/dataplane.ts";
import type { GatesConfig } from "../config/types.ts";

export type Gate = "denied" | "ignored" | "limited" | "overflowed";

/** In words, for the log. */
export const GATE_REASONS: Readonly<Record<Gate, string>> = {
  denied: "by deny, or not in allow",
  ignored: "in ignore, and the target is not active",
  limited: "more than wake_limit from one address",
  overflowed: "more than hold.max_flows, or than there is room for",
};

const GATES = Object.keys(GATE_REASONS) as Gate[];

/** What the gates of one mapping turned away between two looks: the kernel does that, and only counts. */
export class GateReport {
  readonly #mapping: Mapping;
  readonly #isGated: boolean;
  #before: Pick<MappingCounters, Gate> = { denied: 0, ignored: 0, limited: 0, overflowed: 0 };

  /** Counts from zero. */
  constructor(mapping: Mapping, { allow, deny, ignore, wakeLimit }: GatesConfig) {
    this.#mapping = mapping;
    this.#isGated = allow.length + deny.length + ignore.length > 0 || wakeLimit !== undefined;
  }

  /** From now on; costs nothing without gates. What an earlier mapping's gates at the same addresses counted is not to be told again. */
  async begin(): Promise<void> {
    if (this.#isGated) this.#before = await this.#mapping.counters();
  }

  /** Packets since the last time, where there were some; costs next to nothing without gates. @throws Fault of the dataplane */
  async since(): Promise<{ readonly gate: Gate; readonly packets: number }[]> {
    const before = this.#before;
    if (!this.#isGated && this.#mapping.overflowed === before.overflowed) return [];
    const now = await this.#mapping.counters();
    this.#before = now;
    return GATES.map((gate) => ({
      gate,
      // the table may have been made again
      packets: now[gate] < before[gate] ? now[gate] : now[gate] - before[gate],
    })).filter(({ packets }) => packets > 0);
  }
}
