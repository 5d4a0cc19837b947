/**
 * What counts packets by route, as text: for endpoints that several mappings lead to. Pure functions; endpoint-counters.ts has which.
 *
 * Where one mapping leads to an endpoint, its packets are the endpoint's, which `received4` and its like count. A shared endpoint is
 * in `received_shared4` instead, which is asked only for what those have not found: no packet of any other endpoint is looked up once
 * more. By route means: by the address that the client used (specific or wildcard), and by the endpoint, since a flow goes on when its
 * mapping is gone, and another one may have the listen address by then.
 */
import type { Family } from "../../value/protocol.ts";
import { endpointKey, KEYS, SPECIFIC, WILDCARD } from "./key.ts";
import { chainPart, setPart, type TablePart } from "./table-part.ts";

/** Names of counting sets begin so; with the field of a packet that has the endpoint. */
export const DIRECTIONS = { received: "daddr", sent: "saddr" } as const;
export type Direction = keyof typeof DIRECTIONS;

const NAMES = Object.keys(DIRECTIONS) as Direction[];
const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];

export function sharedSets(): TablePart[] {
  return NAMES.flatMap((name) => [
    ...FAMILIES.map((family) =>
      setPart(`${name}_shared${SPECIFIC[family].suffix}`, [`type ${SPECIFIC[family].type}`, "counter"]),
    ),
    ...KEYS.map(({ suffix, type, addressType }) =>
      setPart(`${name}_by_route${suffix}`, [`type ${type} . ${addressType} . inet_service`, "counter"]),
    ),
  ]);
}

/** Rules of a chain of the clock, after those for endpoints that are not shared. */
export function sharedRules(direction: Direction): string[] {
  return FAMILIES.map((family) => {
    const { suffix } = SPECIFIC[family];
    return `${endpointKey(family, DIRECTIONS[direction])} @${direction}_shared${suffix} goto by_route_${direction}${suffix}`;
  });
}

/** `isUse`: matches packets that the idle clock counts. */
export function sharedChains(isUse: string): TablePart[] {
  return NAMES.flatMap((direction) => FAMILIES.map((family) => routeChain(direction, family, isUse)));
}

function routeChain(direction: Direction, family: Family, isUse: string): TablePart {
  const [specific, wildcard] = [SPECIFIC[family], WILDCARD[family]];
  const endpoint = endpointKey(family, DIRECTIONS[direction]);
  const where = endpoint.replace("meta l4proto . ", "");
  const original = `ct original ${family === "ipv4" ? "ip" : "ip6"} daddr`;
  // nft 1.0.6 takes `ct original proto-dst` in a key only after the protocol was matched
  const byRoute = (listen: string, suffix: string): string[] =>
    ["tcp", "udp"].map(
      (protocol) => `meta l4proto ${protocol} meta l4proto . ${listen} . ${where} @${direction}_by_route${suffix} accept`,
    );
  return chainPart(`by_route_${direction}${specific.suffix}`, [
    `${isUse} update @active${specific.suffix} { ${endpoint} }`,
    // it came directly, and may have done so to a port that a wildcard has
    "ct status & dnat == 0 accept",
    ...byRoute(`${original} . ct original proto-dst`, specific.suffix),
    ...byRoute("ct original proto-dst", wildcard.suffix),
  ]);
}
