/** Reads `nft -j list ruleset` (libnftables-json(5)), of everybody's tables; the only file that does. */
import { isIPv4, isIPv6 } from "node:net";
import { addressRange } from "./address-range.ts";
import type { Chain, Match, Range, Rule, Verdict } from "./rules.ts";

type Json = Readonly<Record<string, unknown>>;

/** Whose table an object is in. */
interface Owned {
  readonly family: string;
  readonly table: string;
}

const FAMILIES = ["inet", "ip", "ip6"];
const PORT_PROTOCOLS = ["tcp", "udp", "sctp", "dccp", "udplite"];

/** Chains of families that see IP packets. Expressions of iptables that nft cannot show are `unknown`. @throws SyntaxError */
export function parseNftRuleset(text: string): Chain[] {
  const { nftables } = JSON.parse(text) as { nftables?: unknown };
  const objects = list(nftables).filter(isJson);
  const sets = new Map<string, readonly unknown[]>();
  for (const object of objects) {
    const set = object["set"] ?? object["map"];
    if (isJson(set)) sets.set(setKey(owned(set), string(set["name"])), list(set["elem"]));
  }
  const rules = new Map<string, Rule[]>();
  for (const { rule } of objects) {
    if (!isJson(rule)) continue;
    const key = chainKey(owned(rule), string(rule["chain"]));
    rules.set(key, [...(rules.get(key) ?? []), ...new RuleReader(owned(rule), sets).read(list(rule["expr"]))]);
  }
  return objects.flatMap(({ chain }) => {
    if (!isJson(chain)) return [];
    const { family, table } = owned(chain);
    if (!FAMILIES.includes(family)) return [];
    const name = string(chain["name"]);
    const isBase = typeof chain["hook"] === "string";
    return [
      {
        family: family as Chain["family"],
        table,
        name,
        legacy: false,
        base: isBase
          ? {
              type: string(chain["type"]),
              hook: string(chain["hook"]),
              priority: Number(chain["prio"] ?? 0),
              policy: chain["policy"] === "drop" ? ("drop" as const) : ("accept" as const),
            }
          : undefined,
        rules: rules.get(chainKey({ family, table }, name)) ?? [],
      },
    ];
  });
}

/** Tables with expressions that only iptables can show, as "ip filter". @throws SyntaxError */
export function tablesOfIptables(text: string): Set<string> {
  const { nftables } = JSON.parse(text) as { nftables?: unknown };
  const tables = new Set<string>();
  for (const { rule } of list(nftables).filter(isJson)) {
    if (isJson(rule) && list(rule["expr"]).some((each) => isJson(each) && "xt" in each)) {
      const { family, table } = owned(rule);
      tables.add(`${family} ${table}`);
    }
  }
  return tables;
}

class RuleReader {
  readonly #owner: Owned;
  readonly #sets: ReadonlyMap<string, readonly unknown[]>;

  constructor(owner: Owned, sets: ReadonlyMap<string, readonly unknown[]>) {
    this.#owner = owner;
    this.#sets = sets;
  }

  /** More than one for a verdict map. */
  read(expressions: readonly unknown[]): Rule[] {
    const matches: Match[] = [];
    const text = expressions
      .filter((each) => !isJson(each) || !("counter" in each))
      .map(words)
      .join(" ");
    for (const expression of expressions.filter(isJson)) {
      const [key = "", value] = Object.entries(expression)[0] ?? [];
      if (key === "match" && isJson(value)) matches.push(...this.#match(value["left"], value["op"], value["right"]));
      else if (key === "vmap" && isJson(value)) return this.#verdictMap(value, matches, text);
      else if (key === "xt") matches.push({ on: "unknown" });
      else if (key === "limit" || key === "ct count") matches.push({ on: "client" });
      const verdict = verdictOf(key, value);
      if (verdict !== undefined) return [{ matches, verdict, text }];
    }
    return [{ matches, verdict: undefined, text }];
  }

  #verdictMap(value: Json, matches: readonly Match[], text: string): Rule[] {
    const elements = this.#values(value["data"]);
    if (elements === undefined) return [{ matches: [...matches, { on: "unknown" }], verdict: { kind: "unknown" }, text }];
    return elements.flatMap((element) => {
      const [key, data] = Array.isArray(element) ? (element as unknown[]) : [];
      const [kind = "", argument] = isJson(data) ? (Object.entries(data)[0] ?? []) : [];
      const verdict = verdictOf(kind, argument);
      if (verdict === undefined) return [];
      return [{ matches: [...matches, ...this.#match(value["key"], "==", { set: [key] })], verdict, text }];
    });
  }

  #match(left: unknown, op: unknown, right: unknown): Match[] {
    if (!isJson(left) || (op !== "==" && op !== "!=" && op !== "in")) return [{ on: "unknown" }];
    const negated = op === "!=";
    const [kind = "", argument] = Object.entries(left)[0] ?? [];
    const inner = isJson(argument) ? argument : {};
    const values = this.#values(right);
    if (kind === "payload") return this.#payload(inner, values, negated);
    if (kind === "meta") return metaMatch(string(inner["key"]), values, negated);
    if (kind === "ct") {
      const key = string(inner["key"]);
      if (key === "direction") return [values?.includes("original") === true && !negated ? always() : { on: "never" }];
      if (values === undefined || (key !== "state" && key !== "status")) return [{ on: "unknown" }];
      return [{ on: "ct", values: values.map(String), negated }];
    }
    if (kind === "fib") {
      const flags = list(inner["flags"]);
      if (inner["result"] === "type" && flags.includes("daddr") && values?.length === 1 && values[0] === "local")
        return [{ on: "local", negated }];
      // whether there is a way back to the sender
      return [{ on: flags.includes("saddr") ? "client" : "unknown" }];
    }
    return [{ on: "unknown" }];
  }

  #payload(argument: Json, values: readonly unknown[] | undefined, negated: boolean): Match[] {
    const protocol = string(argument["protocol"]);
    const field = string(argument["field"]);
    if (protocol === "ip" || protocol === "ip6") return this.#header(protocol, field, values, negated);
    const isPort = protocol === "th" || PORT_PROTOCOLS.includes(protocol);
    const implied: Match[] = protocol === "th" ? [] : [{ on: "protocol", values: [protocol], negated: false }];
    if (!isPort) return implied;
    if (field === "sport") return [...implied, { on: "client" }];
    const ranges = field === "dport" ? values?.map(portRange) : undefined;
    if (ranges === undefined || ranges.includes(undefined)) return [...implied, { on: "unknown" }];
    return [...implied, { on: "port", ranges: ranges as Range[], negated }];
  }

  #header(protocol: "ip" | "ip6", field: string, values: readonly unknown[] | undefined, negated: boolean): Match[] {
    const family = protocol === "ip" ? "ipv4" : "ipv6";
    const implied: Match = { on: "family", values: [family], negated: false };
    if (field === "protocol" || field === "nexthdr") return [implied, protocolMatch(values, negated)];
    if (field === "saddr") return [implied, { on: "client" }];
    const ranges = field === "daddr" ? values?.map(addressesOf) : undefined;
    if (ranges === undefined || ranges.includes(undefined)) return [implied, { on: "unknown" }];
    return [{ on: "daddr", family, ranges: ranges as Range[], negated }];
  }

  /** The alternatives of a match's right side; undefined where they are not known. */
  #values(right: unknown): readonly unknown[] | undefined {
    if (typeof right === "string" && right.startsWith("@")) {
      return this.#sets.get(setKey(this.#owner, right.slice(1)))?.map(elementValue);
    }
    if (Array.isArray(right)) return right as unknown[];
    if (isJson(right) && "set" in right) return list(right["set"]).map(elementValue);
    return [right];
  }
}

function metaMatch(key: string, values: readonly unknown[] | undefined, negated: boolean): Match[] {
  if (values === undefined) return [{ on: "unknown" }];
  const names = values.map(String);
  switch (key) {
    case "iifname":
    case "iif":
      return [{ on: "iif", values: names, negated }];
    case "oifname":
    case "oif":
      return [{ on: "oif", values: names, negated }];
    case "l4proto":
      return [protocolMatch(values, negated)];
    case "nfproto":
    case "protocol":
      return [{ on: "family", values: names.map((name) => (name === "ip" ? "ipv4" : name === "ip6" ? "ipv6" : name)), negated }];
    case "pkttype":
      return names.some((name) => name === "unicast" || name === "host") === negated ? [{ on: "never" }] : [always()];
    default:
      return [{ on: "unknown" }];
  }
}

/** A condition that every packet meets. */
function always(): Match {
  return { on: "protocol", values: [], negated: true };
}

const NUMBERS: Readonly<Record<string, string>> = { "6": "tcp", "17": "udp" };

function protocolMatch(values: readonly unknown[] | undefined, negated: boolean): Match {
  if (values === undefined) return { on: "unknown" };
  return { on: "protocol", values: values.map((each) => NUMBERS[String(each)] ?? String(each)), negated };
}

function verdictOf(key: string, value: unknown): Verdict | undefined {
  switch (key) {
    case "accept":
    case "drop":
    case "return":
      return { kind: key };
    case "reject":
      return { kind: "drop" };
    case "dnat":
    case "redirect":
    case "tproxy":
      return { kind: "nat" };
    case "queue":
      return { kind: "unknown" };
    case "jump":
    case "goto":
      return { kind: key, chain: isJson(value) ? string(value["target"]) : "" };
    case "xt":
      return isJson(value) && value["type"] === "target" ? { kind: "unknown" } : undefined;
    default:
      return undefined;
  }
}

/** An element with a comment, timeout or counter stands in an object of its own. */
function elementValue(element: unknown): unknown {
  return isJson(element) && isJson(element["elem"]) ? element["elem"]["val"] : element;
}

function portRange(value: unknown): Range | undefined {
  const [first, last] = isJson(value) ? list(value["range"]) : [value, value];
  return isPort(first) && isPort(last) ? [BigInt(first), BigInt(last)] : undefined;
}

function isPort(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 65_535;
}

function addressesOf(value: unknown): Range | undefined {
  if (typeof value === "string") return isIPv4(value) || isIPv6(value) ? addressRange(value) : undefined;
  if (!isJson(value)) return undefined;
  if (isJson(value["prefix"])) return addressRange(`${string(value["prefix"]["addr"])}/${String(value["prefix"]["len"])}`);
  const [first, last] = list(value["range"]).map((each) => addressRange(string(each)));
  return first === undefined || last === undefined ? undefined : [first[0], last[1]];
}

/** About as nft writes it. */
function words(expression: unknown): string {
  if (typeof expression !== "object" || expression === null) return String(expression);
  if (Array.isArray(expression)) return expression.map(words).join(",");
  const [key = "", value] = Object.entries(expression)[0] ?? [];
  if (value === null) return key;
  const fields = isJson(value) ? value : {};
  switch (key) {
    case "match":
      return [words(fields["left"]), ...(fields["op"] === "!=" ? ["!="] : []), words(fields["right"])].join(" ");
    case "payload":
      return `${string(fields["protocol"])} ${string(fields["field"])}`;
    case "meta":
    case "ct":
      return `${key === "ct" ? "ct " : ""}${string(fields["key"])}`;
    case "set":
      return `{ ${words(value)} }`;
    case "range":
      return list(value).map(words).join("-");
    case "prefix":
      return `${string(fields["addr"])}/${String(fields["len"])}`;
    case "jump":
    case "goto":
      return `${key} ${string(fields["target"])}`;
    case "vmap":
      return `${words(fields["key"])} vmap ${words(fields["data"])}`;
    default:
      return key;
  }
}

function owned(object: Json): Owned {
  return { family: string(object["family"]), table: string(object["table"]) };
}

function setKey({ family, table }: Owned, name: string): string {
  return `${family} ${table} ${name}`;
}

const chainKey = setKey;

function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : value === undefined ? [] : [value];
}

function string(value: unknown): string {
  return typeof value === "string" ? value : "";
}
