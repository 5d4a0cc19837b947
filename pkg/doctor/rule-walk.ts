/** What a base chain does to a packet, as far as that can be told: rule by rule, with what is not known kept as doubt. */
import type { Chain, Doubt, Match, Outcome, Packet, Rule } from "./rules.ts";

/** The kernel's own limit of nested jumps (NFT_JUMP_STACK_SIZE). */
const DEEPEST = 16;
/** A ruleset whose jumps fan out is given up: nobody reads such a report. */
const MOST_STEPS = 100_000;

type Matching = "yes" | "no" | Doubt;

/** `chains`: all that there are; `base` is one of them. In the order of the rules. */
export function walk(chains: readonly Chain[], base: Chain, packet: Packet): Outcome[] {
  const walker = new Walker(chains, base, packet);
  const isOver = walker.run(base.name, undefined, 0);
  const policy = base.base?.policy ?? "accept";
  if (!isOver) walker.outcomes.push({ kind: policy, by: `policy ${policy}`, doubt: undefined });
  return walker.outcomes;
}

class Walker {
  readonly outcomes: Outcome[] = [];
  readonly #chains: ReadonlyMap<string, Chain>;
  readonly #packet: Packet;
  #steps = 0;

  constructor(chains: readonly Chain[], base: Chain, packet: Packet) {
    const same = chains.filter((each) => isSameTable(each, base));
    this.#chains = new Map(same.map((each) => [each.name, each]));
    this.#packet = packet;
  }

  /** True when no packet comes out at its end. */
  run(name: string, doubt: Doubt | undefined, depth: number): boolean {
    let left = doubt;
    const rules = depth > DEEPEST ? undefined : this.#chains.get(name)?.rules;
    if (rules === undefined) {
      this.outcomes.push({ kind: "unknown", by: `chain ${name}`, doubt: "unknown" });
      return false;
    }
    for (const rule of rules) {
      if (++this.#steps > MOST_STEPS) {
        this.outcomes.push({ kind: "unknown", by: "too many rules", doubt: "unknown" });
        return false;
      }
      const matching = matchingOf(rule, this.#packet);
      const { verdict } = rule;
      if (matching === "no" || verdict === undefined) continue;
      const within = worse(left, matching === "yes" ? undefined : matching);
      // of those that have not left before, all end here
      const isCertain = matching === "yes";
      if (verdict.kind === "return") {
        if (isCertain) return false;
        left = within;
        continue;
      }
      if (verdict.kind === "jump" || verdict.kind === "goto") {
        const isOver = this.run(verdict.chain, within, depth + 1);
        if (isCertain && (isOver || verdict.kind === "goto")) return isOver && left === doubt;
        continue;
      }
      this.outcomes.push({ kind: verdict.kind, by: rule.text, doubt: verdict.kind === "unknown" ? "unknown" : within });
      if (isCertain && verdict.kind !== "unknown") return left === doubt;
    }
    return false;
  }
}

function isSameTable(a: Chain, b: Chain): boolean {
  return a.family === b.family && a.table === b.table && a.legacy === b.legacy;
}

function worse(a: Doubt | undefined, b: Doubt | undefined): Doubt | undefined {
  return a === "unknown" || b === "unknown" ? "unknown" : (a ?? b);
}

function matchingOf({ matches }: Rule, packet: Packet): Matching {
  let doubt: Doubt | undefined;
  for (const match of matches) {
    const matching = matchOne(match, packet);
    if (matching === "no") return "no";
    if (matching !== "yes") doubt = worse(doubt, matching);
  }
  return doubt ?? "yes";
}

function matchOne(match: Match, packet: Packet): Matching {
  switch (match.on) {
    case "never":
      return "no";
    case "client":
    case "unknown":
      return match.on;
    case "local":
      return answer(packet.isLocal, match.negated);
    case "family":
      return answer(match.values.includes(packet.family), match.negated);
    case "protocol":
      return answer(match.values.includes(packet.protocol), match.negated);
    case "ct": {
      const { ct } = packet;
      return ct === undefined
        ? "unknown"
        : answer(
            match.values.some((each) => ct.has(each)),
            match.negated,
          );
    }
    case "iif":
    case "oif":
      return interfaceMatch(match.values, match.negated, packet[match.on], match.on);
    case "port":
      return rangeMatch(match.ranges, match.negated, packet.port === undefined ? undefined : BigInt(packet.port));
    case "daddr":
      return match.family === packet.family ? rangeMatch(match.ranges, match.negated, packet.daddr) : "no";
  }
}

/** Whether by a name, or by the beginning of one. */
function interfaceMatch(values: readonly string[], negated: boolean, name: string | undefined, on: "iif" | "oif"): Matching {
  if (name === undefined) return on === "iif" ? "client" : "unknown";
  const isMet = values.some((each) => (each.endsWith("*") ? name.startsWith(each.slice(0, -1)) : each === name));
  return answer(isMet, negated);
}

function rangeMatch(ranges: readonly (readonly [bigint, bigint])[], negated: boolean, value: bigint | undefined): Matching {
  if (value === undefined) return "unknown";
  return answer(
    ranges.some(([first, last]) => first <= value && value <= last),
    negated,
  );
}

function answer(isMet: boolean, negated: boolean): "yes" | "no" {
  return isMet === negated ? "no" : "yes";
}
