/**
 * The fast path as text: a flowtable (nf_flowtable.rst), by which the kernel forwards packets of established flows as soon
 * as they come in at an interface, past routing, conntrack and all chains. Pure functions; fast-devices.ts has the rest.
 *
 * The idle clock stays exact: a chain at the same place, before the flowtable, counts what comes from endpoints. Each TCP
 * segment is answered by the endpoint at the latest after 500 ms (RFC 9293), so it need not be counted on its way there,
 * when it still has the frontend's address. FIN and RST go the long way (nf_flow_table_ip.c): flows close as ever.
 *
 * Only endpoints in `fast4` and `fast6` take part: see isFast() for which.
 */
import type { Family } from "../../value/protocol.ts";
import type { MappingSpec } from "../dataplane.ts";
import { endpointKey, SPECIFIC } from "./key.ts";
import { chainPart, setPart, type TablePart } from "./table-part.ts";

/** An interface whose packets may take the fast path. */
export interface FastDevice {
  readonly name: string;
  /** Its own for as long as the daemon runs: the name may have what a chain's may not. */
  readonly number: number;
}

const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];
const HOOK = "hook ingress priority 0;";

/** The kernel keeps conntrack entries of offloaded flows for half a day at least (nf_conntrack_core.c, nf_ct_offload_timeout). */
export const LONGEST_FAST_MS = 12 * 3600 * 1000;

/**
 * Whether flows of a mapping may take the fast path. A flow that has left it is kept in conntrack for as long as the kernel's own
 * timeout for such flows says, and half a day at most, so no flow may live longer than that by its policy. Of UDP that is two
 * minutes. Packets that the idle clock is not to count (`ignore`) cannot be told from others at an interface.
 */
export function isFast({ protocol, flowTimeoutMs, gates }: MappingSpec, longestMs: number): boolean {
  return protocol === "tcp" && flowTimeoutMs <= longestMs && gates.ignore.length === 0;
}

export function fastPathSets(devices: readonly FastDevice[]): TablePart[] {
  const names = devices.map(({ name }) => `"${name}"`).join(", ");
  return [
    ...FAMILIES.map((family) => setPart(`fast${SPECIFIC[family].suffix}`, [`type ${SPECIFIC[family].type}`])),
    // not every nft takes an empty list
    { kind: "flowtable", name: "fast", body: [HOOK, ...(names === "" ? [] : [`devices = { ${names} };`])], rules: [] },
  ];
}

export function fastPathChains(devices: readonly FastDevice[]): TablePart[] {
  return [
    chainPart(
      "fast_clock",
      FAMILIES.map(
        (family) =>
          `meta l4proto tcp ${endpointKey(family, "saddr")} @fast${SPECIFIC[family].suffix} update @active${SPECIFIC[family].suffix} { ${endpointKey(family, "saddr")} }`,
      ),
    ),
    chainPart(
      "fast_path",
      FAMILIES.flatMap((family) =>
        (["original daddr", "reply saddr"] as const).map((which) => {
          const [direction, field] = which.split(" ") as ["original" | "reply", "daddr" | "saddr"];
          return `ct state established ct status dnat ct direction ${direction} meta l4proto tcp ${endpointKey(family, field)} @fast${SPECIFIC[family].suffix} flow add @fast`;
        }),
      ),
      // after other firewalls' chains, as far as they are where chains usually are: what they drop does not get here
      "type filter hook forward priority filter + 20; policy accept;",
    ),
    // One for each: a chain that goes takes all held packets with it, and only since Linux 6.4 can one get further interfaces.
    ...devices.map(({ name, number }) =>
      chainPart(
        `ingress_${String(number)}`,
        ["goto fast_clock"],
        `type filter hook ingress device "${name}" priority -10; policy accept;`,
      ),
    ),
  ];
}

/** Adds an interface to the flowtable; those that it has stay. */
export function fastDeviceLine(table: string, { name }: FastDevice): string {
  return `add flowtable inet ${table} fast {\n${HOOK}\ndevices = { "${name}" };\n}`;
}

/** All that a fast path takes, with an interface that is always there, in a table to be tried. */
export function fastPathProbe(table: string): string {
  return [
    `table inet ${table} {`,
    `flowtable f {\n${HOOK}\n}`,
    "chain f {\ntype filter hook forward priority 0\nct state established ct status dnat flow add @f\n}",
    'chain i {\ntype filter hook ingress device "lo" priority -10\nmeta l4proto tcp accept\n}',
    "}\n",
  ].join("\n");
}
