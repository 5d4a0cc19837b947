import type { MappingSpec } from "../dataplane.ts";
import type { ElementStates } from "./element-states.ts";
import { GATE_COUNTERS } from "./elements.ts";
import { keyOf } from "./key.ts";

/** What the gates of a mapping turned away, read from the table. */
export interface GateCounts {
  readonly denied: number;
  readonly ignored: number;
  readonly limited: number;
}

const NONE: GateCounts = { denied: 0, ignored: 0, limited: 0 };

export class GateCounters {
  readonly #states: ElementStates;

  constructor(states: ElementStates) {
    this.#states = states;
  }

  /** Costs nothing for a mapping without gates. @throws Fault NFT_… */
  async of(spec: MappingSpec): Promise<GateCounts> {
    if (!Object.values(GATE_COUNTERS).some((has) => has(spec))) return NONE;
    const [denied, ignored, limited] = await Promise.all(
      (["denied", "ignored", "limited"] as const).map((name) => this.#count(name, spec)),
    );
    return { denied: denied ?? 0, ignored: ignored ?? 0, limited: limited ?? 0 };
  }

  async #count(name: keyof typeof GATE_COUNTERS, spec: MappingSpec): Promise<number> {
    if (!GATE_COUNTERS[name](spec)) return 0;
    const counts = await Promise.all(
      spec.routes.map(({ listen }) => this.#states.packets(`${name}${keyOf(listen).suffix}`, spec.protocol, listen)),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }
}
