import type { AddrPort } from "../value/addr-port.ts";
import { formatAddrPort, isLoopback, parseAddrPort, sameAddrPort } from "../value/addr-port.ts";
import type { Family } from "../value/protocol.ts";
import { parseReference } from "../value/reference.ts";
import type { Kinds } from "./kinds.ts";
import type { ListenClaims } from "./listen-claims.ts";
import { listOf, quote, suggestion } from "./nearest.ts";
import { positiveDuration } from "./positive-duration.ts";
import type { Report } from "./report.ts";
import { resolveGates, resolveHold } from "./resolve-gates.ts";
import type { EndpointDraft, TargetDraft } from "./resolve-target.ts";
import type { LooseFrontend } from "./schema.ts";
import type { FrontendConfig, Route } from "./types.ts";
import { UniqueNames } from "./unique-names.ts";
import type { Path } from "./yaml-document.ts";

/** A connection tracking timeout is a signed 32-bit count of the kernel's ticks: 24.8 days of milliseconds. */
const LONGEST_FLOW_TIMEOUT_MS = 24 * 24 * 3_600_000;

const FAMILY_NAMES: Readonly<Record<Family, string>> = { ipv4: "IPv4", ipv6: "IPv6" };

/** A listen address and where it stands in the file. */
interface Listen {
  readonly address: AddrPort;
  readonly path: Path;
}

export interface Targets {
  readonly drafts: ReadonlyMap<string, TargetDraft>;
  /** false: there are more in the file, which could not be read. */
  readonly complete: boolean;
}

export class FrontendResolver {
  readonly #targets: Targets;
  readonly #kinds: Kinds;
  readonly #report: Report;
  readonly #claims: ListenClaims;
  readonly #names: UniqueNames;

  constructor(targets: Targets, kinds: Kinds, report: Report, claims: ListenClaims) {
    this.#targets = targets;
    this.#kinds = kinds;
    this.#report = report;
    this.#claims = claims;
    this.#names = new UniqueNames("frontend", report);
  }

  /** undefined when something is wrong with it, which is noted. */
  resolve(frontend: LooseFrontend, index: number): FrontendConfig | undefined {
    const path = ["frontends", index];
    const name = this.#names.take(frontend.name, [...path, "name"]);
    const found = frontend.kind === undefined ? undefined : this.#kinds.find("frontend", frontend.kind, [...path, "kind"]);
    const owner = `options schema of ${quote(frontend.kind ?? "")}`;
    const options = found && this.#kinds.conforming(frontend.options, found.kind.options, [...path, "options"], owner);
    const flowTimeoutMs = this.#flowTimeout(frontend.flow_timeout, [...path, "flow_timeout"]);
    const hold = resolveHold(frontend, found?.kind.whenCold, path, this.#report);
    const gates = resolveGates(frontend, found?.kind.whenCold, path, this.#report);
    const listens = this.#listens(frontend.listen, [...path, "listen"]);
    const goal = frontend.target === undefined ? undefined : this.#goal(frontend.target, [...path, "target"]);
    const protocol = this.#protocol(frontend, goal?.endpoint, path);
    if (protocol !== undefined) {
      for (const { address, path: own } of listens.read) {
        this.#claims.claim(protocol, address, { label: name ?? `frontends[${index}]`, owner: index, path: own });
      }
    }
    const addresses = goal?.endpoint?.addresses;
    const routes = addresses && this.#routes(listens.read, addresses, frontend.target ?? "");
    const target = goal?.target;
    if (
      name === undefined ||
      found === undefined ||
      options === undefined ||
      flowTimeoutMs === undefined ||
      protocol === undefined ||
      frontend.masquerade === undefined ||
      hold === undefined ||
      gates === undefined ||
      target?.config === undefined ||
      goal?.endpoint === undefined ||
      routes === undefined ||
      !listens.complete
    ) {
      return undefined;
    }
    const config: FrontendConfig = {
      name,
      kind: found.reference,
      protocol,
      routes,
      flowTimeoutMs,
      masquerade: frontend.masquerade,
      whenCold: found.kind.whenCold,
      hold,
      gates,
      target: target.name,
      endpoint: goal.endpoint.name,
      options: options.value,
    };
    const { config: targetConfig } = target;
    return this.#kinds.check(path, () => found.kind.check?.(config, targetConfig) ?? []) ? config : undefined;
  }

  #flowTimeout(text: string | undefined, path: Path): number | undefined {
    const ms = positiveDuration(text, path, this.#report);
    if (ms === undefined || ms <= LONGEST_FLOW_TIMEOUT_MS) return ms;
    this.#report.value(path, `${quote(text ?? "")} is longer than the kernel can count; expected at most 24 days ("576h")`);
    return undefined;
  }

  #listens(given: LooseFrontend["listen"], path: Path): { read: Listen[]; complete: boolean } {
    const texts = typeof given === "string" ? [given] : given;
    const read: Listen[] = [];
    texts?.forEach((text, index) => {
      const own = typeof given === "string" ? path : [...path, index];
      const address = text === undefined ? undefined : this.#report.parsed(own, () => parseAddrPort(text));
      if (address === undefined) return;
      if (read.some((each) => sameAddrPort(each.address, address))) {
        this.#report.value(own, `${formatAddrPort(address)} is there twice; leave one out`);
      } else read.push({ address, path: own });
    });
    return { read, complete: texts !== undefined && read.length === texts.length };
  }

  /** The target and the endpoint that `text` refers to, as far as they are readable. */
  #goal(text: string, path: Path): { target: TargetDraft; endpoint: EndpointDraft | undefined } | undefined {
    const reference = this.#report.parsed(path, () => parseReference(text, this.#exampleGoal()));
    if (reference === undefined) return undefined;
    const target = this.#targets.drafts.get(reference.namespace);
    if (target === undefined) {
      // it may be one of those that could not be read
      if (!this.#targets.complete) return undefined;
      const hint = suggestion(reference.namespace, "targets", [...this.#targets.drafts.keys()]);
      this.#report.value(path, `there is no target ${quote(reference.namespace)}${hint}`);
      return undefined;
    }
    const endpoint = target.endpoints.get(reference.name);
    if (endpoint === undefined && target.complete) {
      const hint = suggestion(reference.name, "endpoints", [...target.endpoints.keys()]);
      this.#report.value(path, `target ${quote(target.name)} has no endpoint ${quote(reference.name)}${hint}`);
    }
    return { target, endpoint };
  }

  #exampleGoal(): string {
    for (const target of this.#targets.drafts.values()) {
      for (const endpoint of target.endpoints.keys()) return `${target.name}:${endpoint}`;
    }
    return "backend:http";
  }

  #protocol(frontend: LooseFrontend, endpoint: EndpointDraft | undefined, path: Path): FrontendConfig["protocol"] | undefined {
    if (frontend.protocol === undefined || endpoint?.protocol === undefined) return frontend.protocol ?? endpoint?.protocol;
    if (frontend.protocol !== endpoint.protocol) {
      const goal = quote(frontend.target ?? "");
      const message = `protocol ${frontend.protocol} contradicts endpoint ${goal}, which is ${endpoint.protocol}; leave it out, or correct one of the two`;
      this.#report.value([...path, "protocol"], message);
      return undefined;
    }
    return frontend.protocol;
  }

  #routes(listens: readonly Listen[], addresses: readonly AddrPort[], goal: string): Route[] | undefined {
    const routes: Route[] = [];
    for (const { address: listen, path } of listens) {
      const endpoint = addresses.find((each) => each.family === listen.family);
      const why = endpoint === undefined ? noFamily(listen, addresses, goal) : unreachable(listen, endpoint, goal);
      if (why !== undefined) this.#report.value(path, why);
      else if (endpoint !== undefined) routes.push({ listen, endpoint });
    }
    // copied: an array that grew has room for sixteen more, for as long as the configuration lives
    return routes.length === listens.length ? [...routes] : undefined;
  }
}

function noFamily(listen: AddrPort, addresses: readonly AddrPort[], goal: string): string {
  const family = FAMILY_NAMES[listen.family];
  const given = listOf(addresses.map(formatAddrPort), "and");
  return `no ${family} address to go to: endpoint ${quote(goal)} has only ${given}; add its ${family} address under "addresses", or listen on another family`;
}

function unreachable(listen: AddrPort, endpoint: AddrPort, goal: string): string | undefined {
  if (sameAddrPort(listen, endpoint)) {
    return `${formatAddrPort(listen)} is also the address of endpoint ${quote(goal)}, so that it would lead to itself; use another address or port for one of the two`;
  }
  // IPv4 has the sysctl route_localnet for this
  if (endpoint.family === "ipv6" && isLoopback(endpoint) && !isLoopback(listen)) {
    return `clients of ${formatAddrPort(listen)} can't reach endpoint ${quote(goal)} at ${formatAddrPort(endpoint)}: the kernel never routes to [::1] from outside (it has no route_localnet for IPv6); give the endpoint another IPv6 address of this machine, or listen on [::1]`;
  }
  return undefined;
}
