/** Whether packets come to the listen addresses, get to the endpoints, and come back. */
import type { Config, FrontendConfig, Route } from "../config/types.ts";
import type { Finding } from "../plugin/finding.ts";
import { type AddrPort, formatAddrPort, isLoopback, isWildcard } from "../value/addr-port.ts";
import { isInner, isNeighbour, type Network } from "./network.ts";
import { named } from "./names.ts";

export function networkFindings({ frontends }: Config, network: Network, isLocal: (address: string) => boolean): Finding[] {
  const findings: Finding[] = [];
  for (const frontend of frontends) {
    for (const { listen } of frontend.routes) {
      if (isWildcard(listen) || isLoopback(listen) || isLocal(listen.address)) continue;
      findings.push(absent(frontend, listen));
    }
  }
  const remote = frontends.flatMap((frontend) =>
    frontend.routes
      .filter(({ endpoint }) => !isLoopback(endpoint) && !isLocal(endpoint.address))
      .map((route) => ({ frontend, route })),
  );
  findings.push(...unreachable(remote, network));
  for (const { frontend, route } of remote) findings.push(...wayBack(frontend, route, network));
  findings.push(...strictFindings(frontends, network));
  const bridged = remote.filter(({ route }) => {
    const way = network.ways.get(route.endpoint.address);
    return way !== undefined && way !== "none" && network.bridges.has(way.device);
  });
  if (network.bridgeCallsIptables && bridged.length > 0) {
    findings.push({
      id: "bridge-calls-iptables",
      severity: "note",
      what: "packets that this machine only bridges pass the chains of IP too, with what other tables drop there",
      where: named("frontend", names(bridged)),
      remedy: "if that is not meant: sysctl -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0",
    });
  }
  return findings;
}

interface Remote {
  readonly frontend: FrontendConfig;
  readonly route: Route;
}

function names(of: readonly Remote[]): string[] {
  return of.map(({ frontend }) => frontend.name);
}

function absent({ name, whenCold }: FrontendConfig, listen: AddrPort): Finding {
  const isPage = whenCold === "pass";
  const length = listen.family === "ipv4" ? 32 : 128;
  return {
    id: "listen-address-absent",
    severity: isPage ? "error" : "warning",
    what: isPage
      ? "this machine does not have that address, so the page cannot be served there, and the frontend stays stopped"
      : "this machine does not have that address: clients are served only if their packets are routed through here all the same",
    where: `frontend "${name}", listen ${formatAddrPort(listen)}`,
    remedy: `give it to an interface: ip address add ${listen.address}/${length} dev INTERFACE`,
  };
}

function unreachable(remote: readonly Remote[], { ways }: Network): Finding[] {
  const addresses = new Set(remote.map(({ route }) => route.endpoint.address));
  return [...addresses]
    .filter((address) => ways.get(address) === "none")
    .map((address) => ({
      id: "no-route",
      severity: "error" as const,
      what: `this machine has no route to the endpoint ${address}`,
      where: named("frontend", names(remote.filter(({ route }) => route.endpoint.address === address))),
      remedy: `add one: ip route add ${address} via GATEWAY, or correct the endpoint's address`,
    }));
}

/** Its answers must come through here: only this machine can turn them into those of the listen address. */
function wayBack({ name, masquerade }: FrontendConfig, { listen, endpoint }: Route, network: Network): Finding[] {
  const way = network.ways.get(endpoint.address);
  if (masquerade === "always" || way === undefined || way === "none") return [];
  const where = `frontend "${name}", endpoint ${formatAddrPort(endpoint)}`;
  const remedy =
    "masquerade: always (the service then sees the gateway's address), or make this machine the endpoint's default gateway";
  const entries = isWildcard(listen) ? undefined : entriesOf(listen, network);
  const isOnLink = way.gateway === undefined && isNeighbour(network.addresses, way.device, endpoint.address);
  if (masquerade === "never" && isOnLink && (entries === undefined || entries.includes(way.device))) {
    const what = `clients in the endpoint's own network (${way.device}) are answered past this gateway, and do not get through`;
    return [{ id: "answers-past-gateway", severity: "warning", what, where, remedy: `masquerade: auto` }];
  }
  const gateway = network.defaults.find((each) => each.family === endpoint.family && each.device === way.device)?.gateway;
  // clients that leave by the interface they came in by are masqueraded
  if (!isOnLink || gateway === undefined || isLoopback(listen)) return [];
  const others = (entries ?? outerDevices(network)).filter((device) => device !== way.device);
  if (others.length === 0) return [];
  return [
    {
      id: "answers-past-gateway",
      severity: "note",
      what:
        `the endpoint is in the network of this machine's own default gateway (${gateway}, ${way.device}): if that is the endpoint's default gateway too, ` +
        `clients that come in by ${others.join(", ")} get no answers`,
      where,
      remedy,
    },
  ];
}

function entriesOf(listen: AddrPort, { addresses }: Network): string[] {
  return addresses.filter(({ address }) => address === listen.address).map(({ name }) => name);
}

function outerDevices({ addresses }: Network): string[] {
  return [...new Set(addresses.map(({ name }) => name).filter((name) => !isInner(name)))];
}

/** A strict interface takes only what it would send back: without a default route there, only its own networks' clients. */
function strictFindings(frontends: readonly FrontendConfig[], network: Network): Finding[] {
  const defaults = network.defaults.filter(({ family }) => family === "ipv4").map(({ device }) => device);
  if (defaults.length === 0) return [];
  return [...network.strict]
    .filter((device) => !defaults.includes(device))
    .flatMap((device) => {
      const affected = frontends.filter(({ routes }) => routes.some(({ listen }) => entriesOf(listen, network).includes(device)));
      if (affected.length === 0) return [];
      return [
        {
          id: "strict-source-check",
          severity: "note" as const,
          what: `rp_filter is 1 on ${device}, and the default route is by ${defaults.join(", ")}: of what comes in by ${device}, only clients that are routed there get through`,
          where: named(
            "frontend",
            affected.map(({ name }) => name),
          ),
          remedy: `if others are to get through: sysctl -w net.ipv4.conf.${device.replaceAll(".", "/")}.rp_filter=2`,
        },
      ];
    });
}
