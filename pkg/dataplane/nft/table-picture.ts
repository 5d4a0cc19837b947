/** A table as the kernel has it, beside the table as it should be. Pure functions over what ruleset.ts of netlink reads. */
import { ipv4Text, ipv6Text } from "../../netlink/address-text.ts";
import type { ElementContent, RulesetPart } from "../../netlink/netlink.ts";
import type { Element } from "./elements.ts";
import type { TablePart } from "./table-part.ts";

/** How the parts of a table differ from those that should be there. */
export interface PartsDifference {
  readonly missing: readonly TablePart[];
  /** Chains that are there, with other rules than they should have. */
  readonly otherRules: readonly TablePart[];
  /** Declared otherwise: base chains of another hook, sets of another type. */
  readonly otherKind: readonly TablePart[];
  /** Names of chains that nobody asked for. Sets and objects that nobody asked for do no harm. */
  readonly extraChains: readonly string[];
}

/**
 * Knows the kernel's own words for each part, by that part's text: learnt when the part is first seen with as many rules
 * as it should have, right after it was made. How nft and the kernel encode a rule is their affair this way.
 */
export class PartMemory {
  readonly #identities = new Map<string, string>();

  compare(expected: readonly TablePart[], found: readonly RulesetPart[]): PartsDifference {
    const present = gathered(found);
    const missing: TablePart[] = [];
    const otherRules: TablePart[] = [];
    const otherKind: TablePart[] = [];
    const chains = new Set<string>();
    for (const part of expected) {
      const kind = KERNEL_KINDS[part.kind];
      if (kind === "chain") chains.add(part.name);
      const there = present.get(`${kind} ${part.name}`);
      if (there === undefined) missing.push(part);
      // interfaces come and go: see fast-devices.ts
      else if (part.kind !== "flowtable" && !this.#same(`${part.kind} ${part.name} ${part.body.join("\n")}`, there.identity))
        otherKind.push(part);
      else if (
        there.rules.length !== part.rules.length ||
        !this.#same(`rules ${part.name} ${part.rules.join("\n")}`, there.rules.join("\n"))
      )
        otherRules.push(part);
    }
    const extraChains = [...present.values()].filter(({ chain }) => chain !== undefined && !chains.has(chain));
    return { missing, otherRules, otherKind, extraChains: extraChains.map(({ chain }) => chain ?? "") };
  }

  #same(key: string, identity: string): boolean {
    const known = this.#identities.get(key);
    if (known === undefined) this.#identities.set(key, identity);
    return known === undefined || known === identity;
  }
}

const KERNEL_KINDS: Readonly<Record<TablePart["kind"], RulesetPart["kind"]>> = {
  set: "set",
  map: "set",
  "ct timeout": "object",
  flowtable: "flowtable",
  chain: "chain",
};

interface Present {
  identity: string;
  readonly rules: string[];
  chain?: string;
}

/** Names that nft gives to maps without one, numbered as they come. */
const ANONYMOUS = /__(map|set)\d+/g;

function gathered(found: readonly RulesetPart[]): Map<string, Present> {
  const all = new Map<string, Present>();
  const at = (key: string): Present => {
    const known = all.get(key) ?? { identity: "", rules: [] };
    all.set(key, known);
    return known;
  };
  for (const { kind, name, identity } of found) {
    if (kind === "rule") {
      at(`chain ${name}`).rules.push(identity.replaceAll(ANONYMOUS, "__$1"));
      continue;
    }
    const present = at(`${kind} ${name}`);
    present.identity = identity;
    if (kind === "chain") present.chain = name;
  }
  return all;
}

/** Whether the kernel alone decides what is in the set, as packets come. */
export function isDynamic(part: TablePart): boolean {
  return part.body.some((line) => line.startsWith("flags dynamic"));
}

/** What a set or map has elements of, as its part says it: `type inet_proto . inet_service : verdict`. */
export interface SetLayout {
  readonly set: string;
  readonly key: readonly string[];
  readonly value: readonly string[];
}

export function layoutOf({ name, body: [type = ""] }: TablePart): SetLayout {
  const [key = "", value = ""] = type.replace("type ", "").split(" : ");
  return { set: name, key: key.split(" . "), value: value.split(" . ") };
}

/** The kernel's bytes as the text that elements are written in (key.ts, elements.ts). */
export function elementOf({ set, key: types, value: valueTypes }: SetLayout, content: Omit<ElementContent, "counter">): Element {
  const { key: bytes, keyEnd, value, verdict } = content;
  const first = bytes === undefined ? ["*"] : texts(types, bytes);
  const last = keyEnd === undefined ? first : texts(types, keyEnd);
  const key = first.map((each, at) => (each === last[at] ? each : `${each}-${last[at] ?? ""}`)).join(" . ");
  if (verdict !== undefined) return { set, key, value: verdictText(verdict) };
  return value === undefined ? { set, key } : { set, key, value: texts(valueTypes, value).join(" . ") };
}

const PROTOCOLS: Readonly<Record<number, string>> = { 6: "tcp", 17: "udp" };

interface Type {
  readonly bytes: number;
  readonly text: (data: Buffer, offset: number) => string;
}

/** By nft's names. In a concatenation each is padded to four bytes. */
const TYPES: Readonly<Record<string, Type>> = {
  inet_proto: { bytes: 4, text: (data, offset) => PROTOCOLS[data.readUInt8(offset)] ?? String(data.readUInt8(offset)) },
  inet_service: { bytes: 4, text: (data, offset) => String(data.readUInt16BE(offset)) },
  ipv4_addr: { bytes: 4, text: ipv4Text },
  ipv6_addr: { bytes: 16, text: ipv6Text },
};

/** Of a set that somebody else made under our name, whatever is in there: it is not to be understood, only to be seen. */
function texts(types: readonly string[], bytes: Buffer): string[] {
  let offset = 0;
  const each = types.map((name) => {
    const type = TYPES[name];
    if (type === undefined || offset + type.bytes > bytes.length) return "?";
    offset += type.bytes;
    return type.text(bytes, offset - type.bytes);
  });
  return each;
}

const VERDICTS: Readonly<Record<number, string>> = { 0: "drop", 1: "accept", [-1]: "continue", [-5]: "return" };

function verdictText({ code, chain }: { readonly code: number; readonly chain: string }): string {
  if (code === -4) return `goto ${chain}`;
  return code === -3 ? `jump ${chain}` : (VERDICTS[code] ?? String(code));
}
