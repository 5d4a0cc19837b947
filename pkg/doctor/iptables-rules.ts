/** Reads what iptables-save prints, of either variant; the only file that does. */
import { isIPv6 } from "node:net";
import { addressRange } from "./address-range.ts";
import type { Chain, Match, Range, Rule, Verdict } from "./rules.ts";

interface Origin {
  readonly family: "ip" | "ip6";
  readonly legacy: boolean;
}

const HOOKS: Readonly<Record<string, string>> = {
  PREROUTING: "prerouting",
  INPUT: "input",
  FORWARD: "forward",
  OUTPUT: "output",
  POSTROUTING: "postrouting",
};

/** netfilter_ipv4.h: NF_IP_PRI_… */
const PRIORITIES: Readonly<Record<string, number>> = { raw: -300, mangle: -150, nat: -100, filter: 0, security: 50 };

interface Draft {
  readonly table: string;
  readonly name: string;
  readonly policy: string;
  readonly rules: Rule[];
}

/** Lines that cannot be understood are left out, conditions are `unknown`. */
export function parseIptablesSave(text: string, origin: Origin): Chain[] {
  const drafts = new Map<string, Draft>();
  let table = "";
  for (const line of text.split("\n")) {
    const heading = /^\*(\S+)/.exec(line)?.[1];
    if (heading !== undefined) table = heading;
    const [, chain, policy] = /^:(\S+) (\S+)/.exec(line) ?? [];
    if (chain !== undefined && policy !== undefined) drafts.set(`${table} ${chain}`, { table, name: chain, policy, rules: [] });
    const rule = /^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$/.exec(line);
    if (rule !== null) drafts.get(`${table} ${rule[1] ?? ""}`)?.rules.push(readRule(rule[2] ?? "", origin));
  }
  return [...drafts.values()].map(({ table: within, name, policy, rules }) => {
    const hook = policy === "-" ? undefined : HOOKS[name];
    const priority = within === "nat" && /^(INPUT|POSTROUTING)$/.test(name) ? 100 : (PRIORITIES[within] ?? 0);
    const type = within === "nat" ? "nat" : "filter";
    const base = hook === undefined ? undefined : { type, hook, priority, policy: policyOf(policy) };
    return { ...origin, table: within, name, base, rules };
  });
}

function policyOf(text: string): "accept" | "drop" {
  return text === "DROP" ? "drop" : "accept";
}

/** A word, or one in quotes with its backslashes. */
const WORD = /"(?:[^"\\]|\\.)*"|\S+/g;

function readRule(text: string, { family }: Origin): Rule {
  const tokens = text.match(WORD) ?? [];
  const matches: Match[] = [];
  let verdict: Verdict | undefined;
  let negated = false;
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? "";
    if (token === "!") {
      negated = true;
      continue;
    }
    if (token === "-j" || token === "-g") {
      // what follows belongs to the target
      verdict = targetOf(token, tokens[at + 1] ?? "");
      break;
    }
    if (!token.startsWith("-")) continue;
    const next = tokens[at + 1];
    const match = matchOf(token, next === undefined || next.startsWith("-") ? "" : next, negated, family);
    if (match !== undefined) matches.push(match);
    negated = false;
  }
  return { matches, verdict, text };
}

function targetOf(option: string, target: string): Verdict | undefined {
  switch (target) {
    case "ACCEPT":
      return { kind: "accept" };
    case "DROP":
    case "REJECT":
      return { kind: "drop" };
    case "RETURN":
      return { kind: "return" };
    case "DNAT":
    case "REDIRECT":
    case "NETMAP":
    case "TPROXY":
      return { kind: "nat" };
    case "NFQUEUE":
    case "SYNPROXY":
      return { kind: "unknown" };
    default:
      return KEEPS_GOING.has(target) ? undefined : { kind: option === "-g" ? "goto" : "jump", chain: target };
  }
}

/** iptables-extensions(8): targets after which the next rule is looked at. */
const KEEPS_GOING: ReadonlySet<string> = new Set(
  (
    "AUDIT CHECKSUM CLASSIFY CLUSTERIP CONNMARK CONNSECMARK CT DSCP DNPT ECN HL HMARK IDLETIMER LED LOG MARK MASQUERADE " +
    "NFLOG NOTRACK RATEEST SECMARK SET SNAT SNPT TCPMSS TCPOPTSTRIP TEE TOS TRACE TTL ULOG"
  ).split(" "),
);

function matchOf(option: string, value: string, negated: boolean, family: Origin["family"]): Match | undefined {
  switch (option) {
    // -m only names a module, whose conditions follow
    case "-m":
    case "--comment":
      return undefined;
    case "-p":
      return value === "all" ? undefined : { on: "protocol", values: [value], negated };
    case "-i":
      return { on: "iif", values: [wildcard(value)], negated };
    case "-o":
      return { on: "oif", values: [wildcard(value)], negated };
    case "-d": {
      const range = addressRange(value.replace(/\/(32|128)$/, ""));
      const of = isIPv6(value.split("/")[0] ?? "") || family === "ip6" ? "ipv6" : "ipv4";
      return range === undefined ? { on: "unknown" } : { on: "daddr", family: of, ranges: [range], negated };
    }
    case "--dport":
    case "--dports":
      return { on: "port", ranges: value.split(",").map(portRange), negated };
    case "--ctstate":
    case "--state":
      return { on: "ct", values: value.toLowerCase().split(","), negated };
    case "--ctdir":
      return (value === "ORIGINAL") === negated ? { on: "never" } : undefined;
    case "--dst-type":
      return value === "LOCAL" ? { on: "local", negated } : { on: negated ? "unknown" : "never" };
    case "--icmp-type":
    case "--icmpv6-type":
      return { on: "never" };
    case "--pkt-type":
      return (value === "unicast") === negated ? { on: "never" } : undefined;
    default:
      return CLIENTS.has(option) ? { on: "client" } : { on: "unknown" };
  }
}

/** Conditions on who sends, and on how often. */
const CLIENTS: ReadonlySet<string> = new Set([
  ...[
    "-s",
    "--sport",
    "--sports",
    "--src-type",
    "--src-range",
    "--mac-source",
    "--match-set",
    "--rsource",
    "--update",
    "--rcheck",
  ],
  ...[
    "--limit",
    "--limit-burst",
    "--hashlimit-upto",
    "--hashlimit-above",
    "--hashlimit-name",
    "--hashlimit-mode",
    "--connlimit-above",
  ],
  ...["--set", "--name", "--mask", "--seconds", "--hitcount", "--hashlimit-burst", "--connlimit-upto", "--connlimit-mask"],
]);

function wildcard(name: string): string {
  return name.endsWith("+") ? `${name.slice(0, -1)}*` : name;
}

function portRange(text: string): Range {
  const [first = "", last = first] = text.split(":");
  const number = (part: string): bigint => BigInt(/^\d{1,5}$/.test(part) ? part : "65536");
  return [number(first), number(last)];
}
