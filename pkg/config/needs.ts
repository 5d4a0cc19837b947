import type { Needs } from "../dataplane/dataplane.ts";
import { isLoopback, isWildcard } from "../value/addr-port.ts";
import type { Family } from "../value/protocol.ts";
import type { Config, Route } from "./types.ts";

/** What the system must be prepared for. `isLocal`: whether an address (without port) is this machine's own. */
export function needsOf(config: Config, isLocal: (address: string) => boolean): Needs {
  const routes = config.frontends.flatMap((frontend) => frontend.routes);
  return {
    routeLocalnet: routes.some(crossesLoopback),
    forwardIPv4: hasRemote(routes, "ipv4", isLocal),
    forwardIPv6: hasRemote(routes, "ipv6", isLocal),
    hold: config.frontends.some((frontend) => frontend.whenCold === "hold"),
  };
}

/** IPv4 only: for IPv6 there is nothing that could be prepared. */
function crossesLoopback({ listen, endpoint }: Route): boolean {
  if (endpoint.family !== "ipv4") return false;
  return isLoopback(endpoint) ? !isLoopback(listen) : isLoopback(listen) || isWildcard(listen);
}

/** Endpoints that no frontend leads to need no forwarding. */
function hasRemote(routes: readonly Route[], family: Family, isLocal: (address: string) => boolean): boolean {
  const endpoints = routes.map(({ endpoint }) => endpoint).filter((each) => each.family === family && !isLoopback(each));
  return [...new Set(endpoints.map((each) => each.address))].some((address) => !isLocal(address));
}
