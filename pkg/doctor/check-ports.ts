/** Other programs that listen where frontends and endpoints are. */
import type { Config, FrontendConfig, Route, TargetConfig } from "../config/types.ts";
import type { Finding } from "../plugin/finding.ts";
import { formatAddrPort } from "../value/addr-port.ts";
import { covers, holderText, type Socket } from "./sockets.ts";

export interface PortFacts {
  readonly sockets: readonly Socket[];
  /** The daemon of this configuration, if it runs. */
  readonly running: number | undefined;
  /** Whether a target's kind starts something that then listens. */
  readonly startsService: (target: TargetConfig) => boolean;
  readonly isLocal: (address: string) => boolean;
}

/** Of listen addresses and endpoints. */
export function portsOf({ frontends, targets }: Config): Set<number> {
  const listens = frontends.flatMap(({ routes }) => routes.map(({ listen }) => listen));
  return new Set(
    [...listens, ...targets.flatMap(({ endpoints }) => endpoints.flatMap((each) => each.addresses))].map((each) => each.port),
  );
}

export function portFindings({ frontends, targets }: Config, facts: PortFacts): Finding[] {
  // one of which cannot be seen whose it is may be the daemon's
  const isOwn = ({ holders }: Socket): boolean => holders.length === 0 || holders.some(({ pid }) => pid === facts.running);
  const foreign = facts.running === undefined ? facts.sockets : facts.sockets.filter((socket) => !isOwn(socket));
  const listens = frontends.flatMap((frontend) => frontend.routes.flatMap((route) => listenFindings(frontend, route, foreign)));
  // while the daemon runs, its services listen
  const services = facts.running === undefined ? targets.filter((target) => facts.startsService(target)) : [];
  return [...listens, ...services.flatMap((target) => serviceFindings(target, foreign, facts.isLocal))];
}

function listenFindings({ name, protocol, whenCold }: FrontendConfig, route: Route, sockets: readonly Socket[]): Finding[] {
  const { listen, endpoint } = route;
  return sockets
    .filter(
      (socket) => socket.protocol === protocol && covers(socket.at, listen) !== "no" && covers(socket.at, endpoint) === "no",
    )
    .map((socket) => {
      const there = `${holderText(socket)} listens on ${formatAddrPort(socket.at)}`;
      const where = `frontend "${name}", listen ${formatAddrPort(listen)}`;
      if (whenCold === "pass") {
        return {
          id: "listen-port-in-use",
          severity: covers(socket.at, listen) === "yes" ? "error" : "warning",
          what: `${there}, so the page of this frontend cannot, and the frontend stays stopped`,
          where,
          remedy: "stop that program or have it listen elsewhere, or give the frontend another listen address",
        };
      }
      return {
        id: "listen-port-shadowed",
        severity: "warning",
        what: `${there}; while the frontend runs, new ${protocol === "tcp" ? "connections" : "flows"} to ${formatAddrPort(listen)} go to ${formatAddrPort(endpoint)} and not to it, from this machine too`,
        where,
        remedy: "if that is not meant: have that program listen elsewhere, or give the frontend another listen address",
      };
    });
}

function serviceFindings(target: TargetConfig, sockets: readonly Socket[], isLocal: PortFacts["isLocal"]): Finding[] {
  return target.endpoints.flatMap(({ name, protocol, addresses }) =>
    addresses
      .filter(({ address }) => isLocal(address))
      .flatMap((address) =>
        sockets
          .filter((socket) => socket.protocol === protocol && covers(socket.at, address) === "yes")
          .map((socket) => ({
            id: "endpoint-in-use",
            severity: "warning" as const,
            what:
              `${holderText(socket)} listens on ${formatAddrPort(socket.at)} already: unless that is this target's own service, left by a former daemon, ` +
              "the target's command will fail because the address is in use, or be taken for ready before it is",
            where: `target "${target.name}", endpoint "${name}" ${formatAddrPort(address)}`,
            remedy: "stop that program, or give the service another port",
          })),
      ),
  );
}
