import { type AddrPort, formatAddrPort } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";
import type { Route } from "../config/types.ts";
import type { PacketCount, Traffic } from "./dataplane.ts";

/** Of every packet of the fake. */
const BYTES = 60;

const NOTHING: PacketCount = { packets: 0, bytes: 0 };

/** What the fake counts, by routes and by endpoints. */
export class FakeTraffic implements Traffic {
  readonly #begun = new Map<string, number>();
  readonly #received = new Map<string, PacketCount>();
  readonly #sent = new Map<string, PacketCount>();

  /** As it is now. */
  copy(): Traffic {
    const copy = new FakeTraffic();
    for (const [key, count] of this.#begun) copy.#begun.set(key, count);
    for (const [key, count] of this.#received) copy.#received.set(key, count);
    for (const [key, count] of this.#sent) copy.#sent.set(key, count);
    return copy;
  }

  begin(protocol: Protocol, route: Route): void {
    for (const key of keysOf(protocol, route)) this.#begun.set(key, (this.#begun.get(key) ?? 0) + 1);
    this.packet(protocol, route, "received");
  }

  packet(protocol: Protocol, route: Route, direction: "received" | "sent"): void {
    const counts = direction === "received" ? this.#received : this.#sent;
    for (const key of keysOf(protocol, route)) {
      const { packets, bytes } = counts.get(key) ?? NOTHING;
      counts.set(key, { packets: packets + 1, bytes: bytes + BYTES });
    }
  }

  began(protocol: Protocol, route: Route): number {
    return this.#begun.get(routeKey(protocol, route)) ?? 0;
  }

  beganTo(protocol: Protocol, endpoint: AddrPort): number {
    return this.#begun.get(endpointKey(protocol, endpoint)) ?? 0;
  }

  received(protocol: Protocol, endpoint: AddrPort): PacketCount {
    return this.#received.get(endpointKey(protocol, endpoint)) ?? NOTHING;
  }

  sent(protocol: Protocol, endpoint: AddrPort): PacketCount {
    return this.#sent.get(endpointKey(protocol, endpoint)) ?? NOTHING;
  }

  receivedBy(protocol: Protocol, route: Route): PacketCount {
    return this.#received.get(routeKey(protocol, route)) ?? NOTHING;
  }

  sentBy(protocol: Protocol, route: Route): PacketCount {
    return this.#sent.get(routeKey(protocol, route)) ?? NOTHING;
  }
}

function keysOf(protocol: Protocol, route: Route): readonly [string, string] {
  return [routeKey(protocol, route), endpointKey(protocol, route.endpoint)];
}

function routeKey(protocol: Protocol, { listen, endpoint }: Route): string {
  return `${formatAddrPort(listen)} ${endpointKey(protocol, endpoint)}`;
}

function endpointKey(protocol: Protocol, endpoint: AddrPort): string {
  return `${protocol} ${formatAddrPort(endpoint)}`;
}
