/**
 * The driver's table as text: what never changes while the daemon runs. Pure functions; elements.ts has the rest.
 *
 * The number of rules does not depend on the number of mappings: a mapping is an element of sets and maps. Those with
 * `4` and `6` hold specific listen addresses, those with `_any4` and `_any6` wildcards; the specific one is always asked
 * first, and a wildcard means the machine's own addresses only (`fib daddr type local`), so packets that just pass
 * through are left alone, and none that another mapping's listen address or an endpoint is (`exact`): a probe of an
 * endpoint must reach it.
 *
 * Nearly all packets are of flows that exist: in each base chain the first rule is to tell those apart, and their keys are looked up
 * in one place only, the clock. Each further rule there costs every packet (docs/performance.md).
 *
 * Order of hooks (nft(8), netfilter_ipv4.h), each for packets from elsewhere (prerouting) and from this machine (output):
 *   -300 raw     hold: the first packets of flows to cold targets go to the queue, before conntrack sees them; loopback_guard
 *   -290         refuse_marked: what the daemon refused comes back from the queue with a mark
 *   -200         conntrack (the kernel's own)
 *   -150 mangle  new_flows: gates; old connections reset; what conntrack forgot waits for its client; timeouts, whose
 *                policy can only be given before a flow is confirmed;
 *                invalid: what conntrack takes for no part of its connection
 *   -100 dstnat  dnat
 *    -90         clock: sees endpoint addresses, in both directions; counts
 *     10 filter  forward: hairpin, forward_guard
 *     20         fast_path (forward)
 *    100 srcnat  sources (postrouting)
 */
import { isDeepStrictEqual } from "node:util";
import type { DataplaneMarks } from "../../config/types.ts";
import type { Family } from "../../value/protocol.ts";
import { timeoutChain, timeoutParts, USUAL_TIMEOUT } from "./elements.ts";
import { type FastDevice, fastPathChains, fastPathSets } from "./fast-path.ts";
import { endpointKey, type Key, KEYS, SPECIFIC, WILDCARD } from "./key.ts";
import { type Direction, DIRECTIONS, sharedChains, sharedRules, sharedSets } from "./shared-endpoints.ts";
import { chainPart, declarationLine, mapPart, ruleLines, setPart, type TablePart } from "./table-part.ts";

/** Far above any idle_timeout; what is left of it tells when the last packet came. */
export const CLOCK_TIMEOUT_MS = 365 * 24 * 3600 * 1000;

/** How packets get from the hold chain to the daemon. */
export type QueueWay =
  | { readonly way: "statement"; readonly queue: number }
  /** The chain only marks them; a rule of iptables, which has its own way to the queue, picks the marked ones up. */
  | { readonly way: "mark" }
  | { readonly way: "none" };

export interface TableSpec {
  readonly table: string;
  readonly marks: DataplaneMarks;
  readonly queue: QueueWay;
  /** Drop packets for 127.0.0.0/8 that come from outside: route_localnet is on. */
  readonly loopbackGuard: boolean;
  /** Families whose forwarding was off before: drop forwarded packets that are not this table's. */
  readonly forwardGuard: readonly Family[];
  /** With a fast path: the interfaces that have it. See fast-path.ts. */
  readonly fastPath?: readonly FastDevice[];
  /** Some endpoint is shared, or was. WholeTable's affair. */
  readonly shared?: boolean;
}

const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];
const ENTRY_HOOKS = ["prerouting", "output"] as const;
/** Anything but a client's first packet of a connection. */
const NOT_FIRST = "meta l4proto tcp tcp flags & (fin | syn | rst | ack) != syn";

interface BaseChain {
  readonly name: string;
  readonly type: "filter" | "nat";
  readonly hook: "prerouting" | "output" | "forward" | "postrouting";
  readonly priority: string;
  readonly rules: readonly string[];
}

/** Everything but elements, and but what mappings need chains for. */
export function tableParts(spec: TableSpec): TablePart[] {
  const fastPath = spec.fastPath === undefined ? [] : fastPathSets(spec.fastPath);
  const shared = spec.shared === true ? sharedSets() : [];
  const sets = [...KEYS.flatMap(setsOf), ...FAMILIES.flatMap(setsOfFamily), ...shared, ...fastPath];
  return [...sets, ...timeoutParts(USUAL_TIMEOUT), ...chainsOf(spec)];
}

function chainsOf(spec: TableSpec): TablePart[] {
  const fastPath = spec.fastPath === undefined ? [] : fastPathChains(spec.fastPath);
  const shared = spec.shared === true ? sharedChains(isUse(spec)) : [];
  return [...regularChains(spec), ...shared, ...baseChains(spec).map(baseChainPart), ...fastPath];
}

/** Begins a transaction that replaces whatever table of that name there is. */
export function newTableLines(table: string): string[] {
  return [`add table inet ${table}`, `delete table inet ${table}`, `add table inet ${table}`];
}

/** What brings the chains of a table made for `before` to `after`, with all that is in its sets. No chain is removed for good. */
export function restructureLines(before: TableSpec, after: TableSpec): string[] {
  const { table } = after;
  const former = new Map(chainsOf(before).map((each) => [each.name, each]));
  const changed = chainsOf(after).filter((each) => !isDeepStrictEqual(each, former.get(each.name)));
  // a hook and its priority are for ever: such a chain is made again
  const moved = changed.filter((each) => (former.get(each.name) ?? each).body.join() !== each.body.join());
  return [
    ...moved.map(({ name }) => `delete chain inet ${table} ${name}`),
    ...changed.map((each) => declarationLine(table, each)),
    ...changed.map(({ name }) => `flush chain inet ${table} ${name}`),
    ...changed.flatMap((each) => ruleLines(table, each)),
  ];
}

/** What brings a table made for `spec` to count packets by route. */
export function sharingLines(spec: TableSpec): string[] {
  const sets = sharedSets().map((each) => declarationLine(spec.table, each));
  return [...sets, ...restructureLines({ ...spec, shared: false }, { ...spec, shared: true })];
}

export function deleteTableText(table: string): string {
  return `delete table inet ${table}\n`;
}

function setsOf({ suffix, type, addressType }: Key): TablePart[] {
  const withSource = [`type ${type} . ${addressType}`, "flags interval"];
  return [
    setPart(`hold${suffix}`, [`type ${type}`]),
    setPart(`deny${suffix}`, withSource),
    setPart(`ignore${suffix}`, withSource),
    mapPart(`limit${suffix}`, [`type ${type} : verdict`]),
    // asked only to be counted
    ...["denied", "ignored", "limited"].map((name) => setPart(`${name}${suffix}`, [`type ${type}`, "counter"])),
    // in a nat chain only the first packet of a flow is looked up: the counters count connections
    mapPart(`dnat${suffix}`, [`type ${type} : ${addressType} . inet_service`, "counter"]),
    // the keys of `dnat`: Linux 6.1 takes no map where a set is only asked (EINVAL)
    setPart(`mapped${suffix}`, [`type ${type}`]),
    // these two have what is not as usual
    mapPart(`timeout${suffix}`, [`type ${type} : verdict`]),
    mapPart(`masquerade${suffix}`, [`type ${type} : verdict`]),
  ];
}

function setsOfFamily(family: Family): TablePart[] {
  const { suffix, type, addressType } = SPECIFIC[family];
  const size = "size 65536";
  return [
    setPart(`exact${suffix}`, [`type ${type}`]),
    setPart(`endpoint${suffix}`, [`type ${type}`]),
    // the same once more, asked only where each packet is to be counted once; but for those of shared-endpoints.ts
    ...Object.keys(DIRECTIONS).map((name) => setPart(`${name}${suffix}`, [`type ${type}`, "counter"])),
    setPart(`active${suffix}`, [`type ${type}`, size, "flags dynamic,timeout", `timeout ${CLOCK_TIMEOUT_MS / 86_400_000}d`]),
    // connections to endpoints of which only the answers pass here
    setPart(`one_way${suffix}`, [
      `type ${addressType} . inet_service . ${addressType} . inet_service`,
      size,
      "flags dynamic,timeout",
      "timeout 1d",
    ]),
    // flows that a wake limit has counted, so that a SYN sent again is not counted again
    setPart(`counted${suffix}`, [
      `type inet_proto . ${addressType} . inet_service . ${addressType} . inet_service`,
      size,
      "flags dynamic,timeout",
      "timeout 2m",
    ]),
  ];
}

function regularChains(spec: TableSpec): TablePart[] {
  const { masquerade, ignore } = spec.marks;
  // a wildcard's key has no address: without its family, IPv4's would take IPv6's packets
  const counted = (name: string, verdict: string): TablePart =>
    chainPart(name, [
      ...KEYS.map(({ suffix, family, expression }) => `meta nfproto ${family} ${expression} @${name}${suffix} ${verdict}`),
      verdict,
    ]);
  return [
    chainPart("refuse", ["meta l4proto tcp reject with tcp reset", "reject with icmpx type port-unreachable"]),
    counted("denied", "drop"),
    counted("ignored", "goto refuse"),
    counted("limited", "goto refuse"),
    chainPart("to_queue", queueRules(spec)),
    ...KEYS.map(({ suffix, expression, source }) =>
      chainPart(`hold_flow${suffix}`, [
        `${expression} . ${source} @deny${suffix} goto denied`,
        `${expression} . ${source} @ignore${suffix} goto ignored`,
        `${expression} vmap @limit${suffix}`,
        "goto to_queue",
      ]),
    ),
    chainPart(
      "hold",
      lookUp(({ suffix, expression }) => [[`${expression} @hold${suffix}`, `goto hold_flow${suffix}`]]),
    ),
    chainPart("new_flows", [
      // a flow of UDP stays "new" until it is answered, which may be never (syslog, a stream of one direction)
      "meta l4proto udp ct status confirmed accept",
      // An endpoint's segment of a connection that conntrack has forgotten (conntrack -F). Picked up from this side, the
      // connection would not be translated: its client would reset it. It is picked up when the client sends something.
      ...FAMILIES.map(
        (family) =>
          `${NOT_FIRST} ${endpointKey(family, "saddr")} @endpoint${SPECIFIC[family].suffix} ${answerKey(family)} != @one_way${SPECIFIC[family].suffix} drop`,
      ),
      ...lookUp(({ suffix, expression, source }) => [
        [`${expression} . ${source} @deny${suffix}`, "goto denied"],
        [`${expression} . ${source} @ignore${suffix}`, `ct mark set ct mark | ${hex(ignore)}`],
        // of a connection from before the target was stopped: its client is to begin anew
        [`${NOT_FIRST} ${expression} @hold${suffix}`, "goto refuse"],
        [`${expression} @mapped${suffix}`, `goto timeouts${suffix}`],
      ]),
    ]),
    ...KEYS.map(({ suffix, expression }) =>
      chainPart(`timeouts${suffix}`, [`${expression} vmap @timeout${suffix}`, `goto ${timeoutChain(USUAL_TIMEOUT)}`]),
    ),
    // Segments that conntrack takes for no part of their connection are not translated: what is no listener, or does not know
    // the connection by these addresses, would reset it. SYNs are another matter (an answer whose question went another way).
    chainPart("invalid", [
      "meta l4proto != tcp accept",
      // of a client whose packets take another way: all of its connection that is seen here are the answers
      ...FAMILIES.map(
        (family) =>
          `tcp flags & (syn | ack) == syn | ack ${endpointKey(family, "saddr")} @endpoint${SPECIFIC[family].suffix} update @one_way${SPECIFIC[family].suffix} { ${answerKey(family)} }`,
      ),
      "tcp flags & syn == syn accept",
      ...FAMILIES.map((family) => `${endpointKey(family, "saddr")} @endpoint${SPECIFIC[family].suffix} drop`),
      ...lookUp(({ suffix, expression }) => [
        [`${expression} @hold${suffix}`, "goto refuse"],
        [`${expression} @mapped${suffix}`, "drop"],
      ]),
    ]),
    chainPart(
      "destinations",
      lookUp(({ suffix, expression, family }) => [
        ["", `dnat ${family === "ipv4" ? "ip" : "ip6"} to ${expression} map @dnat${suffix}`],
      ]),
    ),
    // one look at a set is both: whether the packet is an endpoint's, and its counter; what gates ignore is counted all the same
    ...Object.entries(DIRECTIONS).map(([counter, field]) =>
      chainPart(`clock_${field}`, [
        ...FAMILIES.map((family) => {
          const { suffix } = SPECIFIC[family];
          const key = endpointKey(family, field);
          return `${key} @${counter}${suffix} ${isUse(spec)} update @active${suffix} { ${key} } accept`;
        }),
        ...(spec.shared === true ? sharedRules(counter as Direction) : []),
      ]),
    ),
    // out through the interface it came in by: the endpoint would answer the client directly, past the DNAT.
    // Asked after routing, so that the mark can't meet anyone's routing rules.
    chainPart(
      "hairpin",
      FAMILIES.map(
        (family) =>
          `${endpointKey(family, "daddr")} @endpoint${SPECIFIC[family].suffix} fib daddr . iif oif exists meta mark set meta mark | ${hex(masquerade)}`,
      ),
    ),
    chainPart("masquerade_always", ["masquerade"]),
    chainPart("masquerade_auto", [
      // a loopback source is no use to another host
      "ip saddr 127.0.0.0/8 oif != lo masquerade",
      "ip6 saddr ::1 oif != lo masquerade",
      `meta mark & ${hex(masquerade)} == ${hex(masquerade)} masquerade`,
    ]),
    ...FAMILIES.map((family) => chainPart(`sources${SPECIFIC[family].suffix}`, sourceRules(family))),
    ...spec.forwardGuard.map((family) => chainPart(`forward_guard${SPECIFIC[family].suffix}`, forwardGuardRules(family))),
  ];
}

/** Matches packets of flows that the idle clock counts. */
function isUse({ marks }: TableSpec): string {
  return `ct mark & ${hex(marks.ignore)} == 0`;
}

/**
 * The rules for one kind of key, each as what it matches (if not all) and what it does then: specific addresses before wildcards, of both families.
 * A wildcard means the machine's own addresses only; that takes a look-up of a route, so it is asked last, of packets that match.
 */
function lookUp(rules: (key: Key) => readonly (readonly [match: string, statement: string])[]): string[] {
  return FAMILIES.flatMap((family) => [
    ...rules(SPECIFIC[family]).map(([match, statement]) => words(match, statement)),
    `${SPECIFIC[family].expression} @exact${SPECIFIC[family].suffix} accept`,
    // a wildcard's key has no address: without its family, IPv4's would take IPv6's packets
    ...rules(WILDCARD[family]).map(([match, statement]) =>
      words(`meta nfproto ${family}`, match, "fib daddr type local", statement),
    ),
  ]);
}

function words(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(" ");
}

function queueRules({ queue, marks }: TableSpec): string[] {
  if (queue.way === "statement") return [`queue num ${queue.queue}`];
  return queue.way === "mark" ? [`meta mark set meta mark | ${hex(marks.queue)} accept`] : ["drop"];
}

/** By the addresses that the client used. nft 1.0.6 takes `ct original proto-dst` in a key only after the protocol was matched. */
function sourceRules(family: Family): string[] {
  const original = family === "ipv4" ? "ct original ip daddr" : "ct original ip6 daddr";
  const keys = [
    [SPECIFIC[family].suffix, `meta l4proto . ${original} . ct original proto-dst`],
    [WILDCARD[family].suffix, "meta l4proto . ct original proto-dst"],
  ] as const;
  return ["tcp", "udp"].flatMap((protocol) =>
    keys.flatMap(([suffix, key]) => [
      `meta l4proto ${protocol} ${key} vmap @masquerade${suffix}`,
      `meta l4proto ${protocol} ${key} @mapped${suffix} goto masquerade_auto`,
    ]),
  );
}

/** An endpoint's packet, with whom it goes to. */
function answerKey(family: Family): string {
  const ip = family === "ipv4" ? "ip" : "ip6";
  return `${ip} saddr . th sport . ${ip} daddr . th dport`;
}

function forwardGuardRules(family: Family): string[] {
  const { suffix } = SPECIFIC[family];
  return ["ct state related accept", `ct status dnat ${endpointKey(family, "daddr")} @endpoint${suffix} accept`, "drop"];
}

function baseChains(spec: TableSpec): BaseChain[] {
  const { refuse } = spec.marks;
  type Rules = readonly string[] | ((hook: (typeof ENTRY_HOOKS)[number]) => readonly string[]);
  const entry = (name: string, type: BaseChain["type"], priority: string, rules: Rules): BaseChain[] =>
    ENTRY_HOOKS.map((hook) => ({
      name: `${name}_${hook}`,
      type,
      hook,
      priority,
      rules: typeof rules === "function" ? rules(hook) : rules,
    }));
  const newDnat = (family: Family): string =>
    `ct status dnat ${endpointKey(family, "daddr")} @endpoint${SPECIFIC[family].suffix}`;
  const chains: BaseChain[] = [
    // iptables' raw table is at -300: marks are to be there before
    ...entry("hold", "filter", spec.queue.way === "mark" ? "-310" : "-300", [`${NOT_FIRST} accept`, "goto hold"]),
    ...entry("refuse_marked", "filter", "-290", [`meta mark & ${hex(refuse)} == ${hex(refuse)} goto refuse`]),
    ...entry("new_flows", "filter", "-150", ["ct state vmap { new : goto new_flows, invalid : goto invalid }"]),
    ...entry("dnat", "nat", "-100", ["goto destinations"]),
    // what comes in by lo has been counted at the output hook
    ...entry("clock", "filter", "-90", (hook) => [
      ...(hook === "prerouting" ? ["iif lo accept"] : []),
      "ct direction vmap { original : goto clock_daddr, reply : goto clock_saddr }",
    ]),
    {
      name: "forward",
      type: "filter",
      hook: "forward",
      // after other firewalls' chains: what those drop is not to be asked for here
      priority: "filter + 10",
      rules: [
        // with a guard, flows of others that are older than it are not to pass either
        `ct state established,related ${spec.forwardGuard.length > 0 ? "ct status dnat " : ""}accept`,
        // a flow's first packet: it is confirmed when it leaves
        "ct status & (dnat | confirmed) == dnat jump hairpin",
        ...spec.forwardGuard.map((family) => `meta nfproto ${family} goto forward_guard${SPECIFIC[family].suffix}`),
      ],
    },
    {
      name: "sources",
      type: "nat",
      hook: "postrouting",
      priority: "srcnat",
      rules: FAMILIES.map((family) => `${newDnat(family)} goto sources${SPECIFIC[family].suffix}`),
    },
  ];
  if (spec.loopbackGuard) {
    chains.push({
      name: "loopback_guard",
      type: "filter",
      hook: "prerouting",
      priority: "raw",
      // before DNAT, so what DNAT sends to 127.0.0.0/8 later is not met
      rules: ["iif != lo ip daddr 127.0.0.0/8 drop", "iif != lo ip saddr 127.0.0.0/8 drop"],
    });
  }
  return chains;
}

function baseChainPart({ name, type, hook, priority, rules }: BaseChain): TablePart {
  return chainPart(name, rules, `type ${type} hook ${hook} priority ${priority}; policy accept;`);
}

export function hex(bit: number): string {
  return `0x${bit.toString(16)}`;
}
