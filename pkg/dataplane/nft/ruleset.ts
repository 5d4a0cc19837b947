/**
 * The driver's table as text: what never changes while the daemon runs. Pure functions; elements.ts has the rest.
 *
 * The number of rules does not depend on the number of mappings: a mapping is an element of maps. `…4` and `…6` hold
 * specific listen addresses, `…_any4` and `…_any6` wildcards; the specific map is always asked first, and a wildcard
 * means the machine's own addresses only (`fib daddr type local`), so packets that just pass through are left alone.
 *
 * Order of hooks (nft(8), netfilter_ipv4.h):
 *   -300 raw          loopback_guard
 *   -200              conntrack (the kernel's own)
 *   -150 mangle       flow timeouts: before a flow is confirmed is the only time a timeout policy can be attached
 *   -100 dstnat       DNAT, for forwarded and incoming (prerouting) and for the machine's own clients (output)
 *    -90              idle clock: sees endpoint addresses, in both directions
 *      0 filter       hairpin detection (forward), then forward_guard
 *    100 srcnat       masquerade
 */

/** Far above any idle_timeout; what is left of it tells when the last packet came. */
export const CLOCK_TIMEOUT_MS = 365 * 24 * 3600 * 1000;

export interface TableSpec {
  readonly table: string;
  /** One bit. */
  readonly masqueradeMark: number;
  /** Drop packets for 127.0.0.0/8 that come from outside: route_localnet is on. */
  readonly loopbackGuard: boolean;
  /** Drop forwarded packets that are not this table's: forwarding of that family was off before. */
  readonly forwardGuardIPv4: boolean;
  readonly forwardGuardIPv6: boolean;
}

/** `hook`s that see a flow's first packet before it is routed: from elsewhere, and from this machine. */
const ENTRY_HOOKS = ["prerouting", "output"] as const;

interface BaseChain {
  readonly name: string;
  readonly type: "filter" | "nat";
  readonly hook: "prerouting" | "output" | "forward" | "postrouting";
  readonly priority: string;
  readonly rules: readonly string[];
}

/** Replaces whatever table of that name there is, in one transaction. */
export function tableText(spec: TableSpec): string {
  const parts = [...maps(), ...regularChains(spec), ...baseChains(spec).map(baseChainText)];
  return `add table inet ${spec.table}\ndelete table inet ${spec.table}\ntable inet ${spec.table} {\n${parts.join("\n")}\n}\n`;
}

export function deleteTableText(table: string): string {
  return `delete table inet ${table}\n`;
}

function maps(): string[] {
  return (["4", "6"] as const).flatMap((family) => {
    const address = `ipv${family}_addr`;
    const specific = `inet_proto . ${address} . inet_service`;
    const wildcard = `inet_proto . inet_service`;
    const destination = `${address} . inet_service`;
    return [
      // in a nat chain only the first packet of a flow is looked up: the counters count connections
      block(`map dnat${family}`, [`type ${specific} : ${destination}`, "counter"]),
      block(`map dnat_any${family}`, [`type ${wildcard} : ${destination}`, "counter"]),
      block(`map timeout${family}`, [`type ${specific} : verdict`]),
      block(`map timeout_any${family}`, [`type ${wildcard} : verdict`]),
      block(`map masquerade${family}`, [`type ${specific} : verdict`]),
      block(`map masquerade_any${family}`, [`type ${wildcard} : verdict`]),
      block(`set endpoint${family}`, [`type ${specific}`]),
      block(`set active${family}`, [
        `type ${specific}`,
        "size 65536",
        "flags dynamic,timeout",
        `timeout ${String(CLOCK_TIMEOUT_MS / 86_400_000)}d`,
      ]),
    ];
  });
}

function regularChains(spec: TableSpec): string[] {
  return [
    block("chain timeouts", [
      "meta l4proto . ip daddr . th dport vmap @timeout4",
      "meta nfproto ipv4 fib daddr type local meta l4proto . th dport vmap @timeout_any4",
      "meta l4proto . ip6 daddr . th dport vmap @timeout6",
      "meta nfproto ipv6 fib daddr type local meta l4proto . th dport vmap @timeout_any6",
    ]),
    block("chain destinations", [
      "dnat ip to meta l4proto . ip daddr . th dport map @dnat4",
      "meta nfproto ipv4 fib daddr type local dnat ip to meta l4proto . th dport map @dnat_any4",
      "dnat ip6 to meta l4proto . ip6 daddr . th dport map @dnat6",
      "meta nfproto ipv6 fib daddr type local dnat ip6 to meta l4proto . th dport map @dnat_any6",
    ]),
    block("chain clock_original", [
      "meta l4proto . ip daddr . th dport @endpoint4 update @active4 { meta l4proto . ip daddr . th dport }",
      "meta l4proto . ip6 daddr . th dport @endpoint6 update @active6 { meta l4proto . ip6 daddr . th dport }",
    ]),
    block("chain clock_reply", [
      "meta l4proto . ip saddr . th sport @endpoint4 update @active4 { meta l4proto . ip saddr . th sport }",
      "meta l4proto . ip6 saddr . th sport @endpoint6 update @active6 { meta l4proto . ip6 saddr . th sport }",
    ]),
    block("chain masquerade_always", ["masquerade"]),
    block("chain masquerade_auto", [
      // a loopback source is no use to another host
      "ip saddr 127.0.0.0/8 oif != lo masquerade",
      "ip6 saddr ::1 oif != lo masquerade",
      `meta mark & ${hex(spec.masqueradeMark)} == ${hex(spec.masqueradeMark)} masquerade`,
    ]),
    // nft 1.0.6 accepts `ct original proto-dst` in a concatenation only after the protocol was matched by itself
    ...(["4", "6"] as const).map((family) => {
      const original = family === "4" ? "ct original ip daddr" : "ct original ip6 daddr";
      return block(
        `chain sources${family}`,
        ["tcp", "udp"].flatMap((protocol) => [
          `meta l4proto ${protocol} meta l4proto . ${original} . ct original proto-dst vmap @masquerade${family}`,
          `meta l4proto ${protocol} meta l4proto . ct original proto-dst vmap @masquerade_any${family}`,
        ]),
      );
    }),
    ...(spec.forwardGuardIPv4 ? [forwardGuard("4")] : []),
    ...(spec.forwardGuardIPv6 ? [forwardGuard("6")] : []),
  ];
}

function forwardGuard(family: "4" | "6"): string {
  const ip = family === "4" ? "ip" : "ip6";
  return block(`chain forward_guard${family}`, [
    "ct state related accept",
    `ct status dnat ct direction original meta l4proto . ${ip} daddr . th dport @endpoint${family} accept`,
    `ct status dnat ct direction reply meta l4proto . ${ip} saddr . th sport @endpoint${family} accept`,
    "drop",
  ]);
}

function baseChains(spec: TableSpec): BaseChain[] {
  const mark = hex(spec.masqueradeMark);
  const entry = (name: string, type: BaseChain["type"], priority: string, rules: string[]): BaseChain[] =>
    ENTRY_HOOKS.map((hook) => ({ name: `${name}_${hook}`, type, hook, priority, rules }));
  const chains: BaseChain[] = [
    ...entry("timeouts", "filter", "-150", ["ct state new goto timeouts"]),
    ...entry("dnat", "nat", "-100", ["goto destinations"]),
    ...entry("clock", "filter", "-90", ["ct direction vmap { original : goto clock_original, reply : goto clock_reply }"]),
    {
      name: "hairpin",
      type: "filter",
      hook: "forward",
      priority: "filter - 10",
      // out through the interface it came in by: the endpoint would answer the client directly, past the DNAT.
      // Asked after routing, so that the mark can't meet anyone's routing rules.
      rules: ["4", "6"].map((family) => {
        const daddr = family === "4" ? "ip daddr" : "ip6 daddr";
        return `ct state new ct status dnat meta l4proto . ${daddr} . th dport @endpoint${family} fib daddr . iif oif exists meta mark set meta mark | ${mark}`;
      }),
    },
    {
      name: "sources",
      type: "nat",
      hook: "postrouting",
      priority: "srcnat",
      rules: [
        "ct status dnat meta l4proto . ip daddr . th dport @endpoint4 goto sources4",
        "ct status dnat meta l4proto . ip6 daddr . th dport @endpoint6 goto sources6",
      ],
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
  if (spec.forwardGuardIPv4 || spec.forwardGuardIPv6) {
    chains.push({
      name: "forward_guard",
      type: "filter",
      hook: "forward",
      priority: "filter + 10",
      rules: [
        ...(spec.forwardGuardIPv4 ? ["meta nfproto ipv4 goto forward_guard4"] : []),
        ...(spec.forwardGuardIPv6 ? ["meta nfproto ipv6 goto forward_guard6"] : []),
      ],
    });
  }
  return chains;
}

function baseChainText(chain: BaseChain): string {
  return block(`chain ${chain.name}`, [
    `type ${chain.type} hook ${chain.hook} priority ${chain.priority}; policy accept;`,
    ...chain.rules,
  ]);
}

function block(head: string, lines: readonly string[]): string {
  return `  ${head} {\n${lines.map((line) => `    ${line}\n`).join("")}  }`;
}

function hex(bit: number): string {
  return `0x${bit.toString(16)}`;
}
