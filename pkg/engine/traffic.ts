/** Flows and counters as plugins see them, by target and frontend. */
import type { Route } from "../config/types.ts";
import type { Flow, PacketCount, Traffic } from "../dataplane/dataplane.ts";
import type { Frontend } from "../frontend/frontend.ts";
import type { FlowStatus, TrafficStatus } from "../plugin/plugin.ts";
import type { Target } from "../target/target.ts";
import { type AddrPort, formatAddrPort, isWildcard, sameAddrPort } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";
import type { Resources } from "./resources.ts";

interface Way {
  readonly frontend: Frontend;
  readonly route: Route;
}

interface EndpointOwner {
  readonly target: Target;
  /** The endpoint's name. */
  readonly name: string;
}

/** Which target and frontend a flow belongs to. */
export class FlowOwners {
  /** Several targets may have one endpoint. */
  readonly #endpoints = new Map<string, EndpointOwner[]>();
  readonly #listens = new Map<string, Way[]>();

  constructor({ targets, frontends }: Resources) {
    for (const target of targets.values()) {
      for (const { name, protocol, addresses } of target.config.endpoints)
        for (const address of addresses) push(this.#endpoints, keyOf(protocol, address), { target, name });
    }
    for (const frontend of frontends.values()) {
      const { protocol, routes } = frontend.config;
      for (const route of routes) push(this.#listens, listenKey(protocol, route.listen), { frontend, route });
    }
  }

  /** The targets that `flow` goes to, and the frontend of each by which it came. */
  of(flow: Flow): { readonly target: Target; readonly endpoint: string; readonly frontend: Frontend | undefined }[] {
    const owners = this.#endpoints.get(keyOf(flow.protocol, flow.endpoint)) ?? [];
    const isDirect = sameAddrPort(flow.destination, flow.endpoint);
    return owners.map(({ target, name }) => ({
      target,
      endpoint: name,
      frontend: isDirect ? undefined : this.#frontend(flow, target),
    }));
  }

  /** The specific address goes first, as in the packet path. What has changed since the flow began is not its frontend. */
  #frontend({ protocol, destination, endpoint }: Flow, target: Target): Frontend | undefined {
    const specific = this.#listens.get(keyOf(protocol, destination)) ?? [];
    const wildcards = this.#listens.get(`${protocol} ${destination.family} ${String(destination.port)}`) ?? [];
    return [...specific, ...wildcards].find(
      ({ frontend, route }) => frontend.target === target && sameAddrPort(route.endpoint, endpoint),
    )?.frontend;
  }
}

export function flowStatus(flow: Flow, { target, endpoint, frontend }: ReturnType<FlowOwners["of"]>[number]): FlowStatus {
  const { protocol, source, destination, endpoint: address, state, remainingMs, ignored } = flow;
  return {
    target: target.name,
    ...(frontend === undefined ? {} : { frontend: frontend.name }),
    endpoint,
    protocol,
    source: formatAddrPort(source),
    listen: formatAddrPort(destination),
    endpoint_address: formatAddrPort(address),
    ...(state === undefined ? {} : { state }),
    expires_in_s: Math.ceil(remainingMs / 1000),
    ...(ignored ? { ignored } : {}),
  };
}

/** What was counted, and how many flows are alive, by now. */
export class TrafficView {
  readonly #traffic: Traffic;
  readonly #flows: ReadonlyMap<Target | Frontend, number>;

  constructor(traffic: Traffic, flows: ReadonlyMap<Target | Frontend, number>) {
    this.#traffic = traffic;
    this.#flows = flows;
  }

  target(target: Target): TrafficStatus {
    const endpoints = target.config.endpoints.flatMap(({ protocol, addresses }) =>
      addresses.map((address) => [protocol, address] as const),
    );
    return {
      flows: this.#flows.get(target) ?? 0,
      connections: endpoints.reduce((sum, endpoint) => sum + this.#traffic.beganTo(...endpoint), 0),
      ...packetFields(
        endpoints.map((endpoint) => this.#traffic.received(...endpoint)),
        endpoints.map((endpoint) => this.#traffic.sent(...endpoint)),
      ),
    };
  }

  frontend(frontend: Frontend): TrafficStatus {
    const { protocol, routes } = frontend.config;
    return {
      flows: this.#flows.get(frontend) ?? 0,
      connections: routes.reduce((sum, route) => sum + this.#traffic.began(protocol, route), 0),
      ...packetFields(
        routes.map((route) => this.#traffic.receivedBy(protocol, route)),
        routes.map((route) => this.#traffic.sentBy(protocol, route)),
      ),
    };
  }
}

function packetFields(
  received: readonly PacketCount[],
  sent: readonly PacketCount[],
): Omit<TrafficStatus, "flows" | "connections"> {
  const nothing: PacketCount = { packets: 0, bytes: 0 };
  const incoming = received.reduce(added, nothing);
  const outgoing = sent.reduce(added, nothing);
  return {
    packets_in: incoming.packets,
    bytes_in: incoming.bytes,
    packets_out: outgoing.packets,
    bytes_out: outgoing.bytes,
  };
}

function added(one: PacketCount, other: PacketCount): PacketCount {
  return { packets: one.packets + other.packets, bytes: one.bytes + other.bytes };
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}

function keyOf(protocol: Protocol, { address, port }: AddrPort): string {
  return `${protocol} ${address} ${String(port)}`;
}

function listenKey(protocol: Protocol, listen: AddrPort): string {
  return isWildcard(listen) ? `${protocol} ${listen.family} ${String(listen.port)}` : keyOf(protocol, listen);
}
