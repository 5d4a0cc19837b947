/** The daemon's table, as the kernel has it. */
import type { Stage } from "./stage.ts";

type Json = Record<string, unknown>;
/** A chain, rule, set … as nft's JSON names it, and what it says of it. */
interface Item {
  readonly sort: string;
  readonly body: Json;
}

interface SetElement {
  readonly set: string;
  readonly sort: string;
  readonly key: unknown;
}

interface Rule {
  readonly chain: string;
  readonly handle: number;
}

const TABLE = "proxygw";
/** Made on demand, and kept until the table goes. */
const ON_DEMAND = /^(flow_\d+s(_tcp|_udp)?|limit_.*)$/;

/** @throws when there is none */
export async function readTable(stage: Stage): Promise<Item[]> {
  const text = await stage.gateway(`nft -j list table inet ${TABLE}`);
  const { nftables } = JSON.parse(text) as { nftables: Record<string, Json>[] };
  return nftables.flatMap((each) => Object.entries(each).map(([sort, body]) => ({ sort, body })));
}

/** Of rules only what they do, in order; nothing of sets. */
export function chainsOf(items: readonly Item[]): string {
  const kept = items.filter(({ sort, body }) => sort === "chain" || (sort === "rule" && !ON_DEMAND.test(String(body["chain"]))));
  return lines(kept.filter(({ body }) => !ON_DEMAND.test(String(body["name"]))));
}

/** All that does not count or run down. */
export function contentOf(items: readonly Item[]): string {
  const sets = items.filter(({ sort, body }) => isSet(sort) && !ON_DEMAND.test(String(body["name"])));
  const plain = sets.map(({ sort, body }) => {
    const elements = isDynamic(body) ? [] : ((body["elem"] as unknown[] | undefined) ?? []);
    return { sort, body: { ...body, elem: elements.map((each) => JSON.stringify(withoutCounters(each))).sort() } };
  });
  return `${chainsOf(items)}\n${lines(plain)}`;
}

function lines(items: readonly Item[]): string {
  return items
    .map(({ sort, body }) => `${sort} ${JSON.stringify({ ...body, handle: 0 })}`)
    .sort(byChain)
    .join("\n");
}

/** Chains and sets by name; rules stay in order, which is what sort() keeps of those that are equal. */
function byChain(left: string, right: string): number {
  const name = (line: string): string => /"(?:chain|name)":"([^"]*)"/.exec(line)?.[1] ?? line;
  return name(left) < name(right) ? -1 : name(left) > name(right) ? 1 : 0;
}

function isSet(sort: string): boolean {
  return sort === "set" || sort === "map";
}

/** Filled by packets. nft 1.0.6 leaves out of its JSON that they are dynamic. */
function isDynamic({ name }: Json): boolean {
  return /^(active|counted)[46]$/.test(String(name));
}

/** An element may be wrapped together with its counter. */
function withoutCounters(element: unknown): unknown {
  if (Array.isArray(element)) return element.map(withoutCounters);
  if (typeof element !== "object" || element === null || !("elem" in element)) return element;
  return (element.elem as Json)["val"];
}

/** Those that are there all the time, whichever state a target is in. */
export function elementsOf(items: readonly Item[]): SetElement[] {
  const lasting = /^(dnat|mapped|timeout|masquerade|exact|endpoint|deny)/;
  return items.flatMap(({ sort, body }) => {
    if (!isSet(sort) || !lasting.test(String(body["name"]))) return [];
    return ((body["elem"] as unknown[] | undefined) ?? []).map((each) => {
      const plain = withoutCounters(each);
      return { set: String(body["name"]), sort, key: sort === "map" && Array.isArray(plain) ? (plain as unknown[])[0] : plain };
    });
  });
}

export function rulesOf(items: readonly Item[]): Rule[] {
  return items
    .filter(({ sort, body }) => sort === "rule" && !ON_DEMAND.test(String(body["chain"])))
    .map(({ body }) => ({ chain: String(body["chain"]), handle: Number(body["handle"]) }));
}

export async function deleteElement(stage: Stage, { set, key }: SetElement): Promise<void> {
  const element = { family: "inet", table: TABLE, name: set, elem: [key] };
  const command = JSON.stringify({ nftables: [{ delete: { element } }] });
  await stage.gateway(`nft -j -f - <<'END'\n${command}\nEND`);
}
