import type { EndpointConfig, Route } from "../../config/types.ts";
import type { AddrPort } from "../../value/addr-port.ts";
import type { Protocol } from "../../value/protocol.ts";
import type { MappingSpec } from "../dataplane.ts";
import type { Element } from "./elements.ts";
import { keyId, keyOf, keyText, routeId, SPECIFIC } from "./key.ts";
import { type Direction, DIRECTIONS } from "./shared-endpoints.ts";
import type { TrafficCounters } from "./traffic-counters.ts";
import { type Prepared, together } from "./transactor.ts";
import type { WholeTable } from "./whole-table.ts";

interface Leading {
  /** Of its routes: a mapping that comes again with the same ones is the same. */
  readonly id: string;
  readonly routes: readonly Route[];
}

interface Endpoint {
  readonly protocol: Protocol;
  readonly address: AddrPort;
  /** Groups that have it in the table. */
  users: number;
  /** The mappings that lead there: nearly always one. */
  leading: readonly Leading[];
  /** Of mappings that led there when the table was changed, and may still have flows: ids of `leading`, by now or formerly. */
  seen: readonly string[];
  /** What it has in the table. */
  placed: readonly Element[];
}

const NAMES = Object.keys(DIRECTIONS) as Direction[];

/**
 * Where the packets of endpoints are counted. As long as only one mapping leads to an endpoint, it has all that the endpoint's own
 * elements count; from the second one on, the endpoint is shared, and elements for each route count once more (shared-endpoints.ts).
 * When one of them goes, its flows go on, so that the endpoint stays shared until its flows have been cut.
 */
export class EndpointCounters {
  readonly #whole: WholeTable;
  readonly #traffic: Pick<TrafficCounters, "own">;
  readonly #endpoints = new Map<string, Endpoint>();

  constructor(whole: WholeTable, traffic: Pick<TrafficCounters, "own">) {
    this.#whole = whole;
    this.#traffic = traffic;
  }

  /** A mapping was made, enabled or not. */
  lead(spec: MappingSpec): void {
    for (const [id, routes] of routesByEndpoint(spec)) {
      const [first] = routes;
      if (first === undefined) continue;
      const endpoint = this.#at(id, spec.protocol, first.endpoint);
      const leading = { id: idOf(spec.protocol, routes), routes };
      endpoint.leading = others(endpoint, leading.id).concat(leading);
    }
  }

  /** It is being closed. */
  leave(spec: MappingSpec): void {
    for (const [id, routes] of routesByEndpoint(spec)) {
      const endpoint = this.#endpoints.get(id);
      if (endpoint !== undefined) endpoint.leading = others(endpoint, idOf(spec.protocol, routes));
    }
  }

  /** All flows of `endpoints` were ended: who leads there no more has none. The next change of the table takes that in. */
  cut(endpoints: readonly EndpointConfig[]): void {
    for (const endpoint of this.#of(endpoints)) {
      // the only one keeps what is the endpoint's
      if (isShared(endpoint)) endpoint.seen = endpoint.leading.map(({ id }) => id);
    }
  }

  /** Brings the elements of a group's endpoints to where they should be by now; `users`: how many groups more have them in the table. */
  place(endpoints: readonly EndpointConfig[], users: number): Prepared {
    return together(this.#of(endpoints).map((endpoint) => this.#place(endpoint, users)));
  }

  #place(endpoint: Endpoint, users: number): Prepared {
    const { placed, seen } = endpoint;
    endpoint.users += users;
    const come = endpoint.leading.map(({ id }) => id).filter((id) => !seen.includes(id));
    if (come.length > 0) endpoint.seen = seen.concat(come);
    endpoint.placed = elementsOf(endpoint);
    const [owner] = endpoint.leading.flatMap(({ routes }) => routes);
    if (owner !== undefined && !isShared(endpoint)) this.#traffic.own(endpoint.protocol, owner);
    const rules = endpoint.placed.length > 0 && isShared(endpoint) ? [this.#whole.needShared()] : [];
    const undo = (): void => {
      endpoint.users -= users;
      endpoint.seen = seen;
      endpoint.placed = placed;
    };
    return together([{ undo }, ...rules, this.#whole.content.replace(placed, endpoint.placed)]);
  }

  #of(endpoints: readonly EndpointConfig[]): Endpoint[] {
    return endpoints.flatMap(({ protocol, addresses }) =>
      addresses.map((address) => this.#at(keyId(protocol, address), protocol, address)),
    );
  }

  #at(id: string, protocol: Protocol, address: AddrPort): Endpoint {
    const known = this.#endpoints.get(id);
    if (known !== undefined) return known;
    const endpoint: Endpoint = { protocol, address, users: 0, leading: [], seen: [], placed: [] };
    this.#endpoints.set(id, endpoint);
    return endpoint;
  }
}

function others({ leading }: Endpoint, than: string): readonly Leading[] {
  return leading.filter(({ id }) => id !== than);
}

function isShared({ seen }: Endpoint): boolean {
  return seen.length > 1;
}

function elementsOf(endpoint: Endpoint): Element[] {
  const { protocol, address, users, leading } = endpoint;
  if (users === 0) return [];
  const key = keyText(protocol, address);
  const { suffix } = SPECIFIC[address.family];
  if (!isShared(endpoint)) return NAMES.map((name) => ({ set: `${name}${suffix}`, key }));
  const routes = leading.flatMap((each) => each.routes);
  return NAMES.flatMap((name) => [
    { set: `${name}_shared${suffix}`, key },
    ...routes.map(({ listen }) => ({
      set: `${name}_by_route${keyOf(listen).suffix}`,
      key: `${keyText(protocol, listen)} . ${address.address} . ${String(address.port)}`,
    })),
  ]);
}

/** By the endpoint's keyId(); in an order that does not depend on the configuration's. */
function routesByEndpoint({ protocol, routes }: MappingSpec): Map<string, Route[]> {
  const all = new Map<string, Route[]>();
  const id = (route: Route): string => routeId(protocol, route);
  for (const route of routes.toSorted((one, other) => (id(one) < id(other) ? -1 : 1))) {
    const endpoint = keyId(protocol, route.endpoint);
    all.set(endpoint, all.get(endpoint)?.concat(route) ?? [route]);
  }
  return all;
}

function idOf(protocol: Protocol, routes: readonly Route[]): string {
  return routes.map((route) => routeId(protocol, route)).join(" ");
}
