import type { AddrPort } from "../value/addr-port.ts";
import { formatAddrPort, isWildcard, parseAddrPort } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";
import type { Kinds } from "./kinds.ts";
import { quote } from "./nearest.ts";
import { positiveDuration } from "./positive-duration.ts";
import type { Report } from "./report.ts";
import { resolveReady } from "./resolve-ready.ts";
import type { LooseEndpoint, LooseTarget } from "./schema.ts";
import type { EndpointConfig, TargetConfig } from "./types.ts";
import { UniqueNames } from "./unique-names.ts";
import type { Path } from "./yaml-document.ts";

/** An endpoint as far as it could be read: what is undefined was wrong, and is noted. */
export interface EndpointDraft {
  readonly name: string;
  readonly protocol: Protocol | undefined;
  readonly addresses: readonly AddrPort[] | undefined;
}

/** A target as far as it could be read, so that what refers to it can be checked. */
export interface TargetDraft {
  readonly name: string;
  /** The readable ones; more may have been meant when `complete` is false. */
  readonly endpoints: ReadonlyMap<string, EndpointDraft>;
  readonly complete: boolean;
  readonly config: TargetConfig | undefined;
}

/** All targets by name. A name that is there twice stands for the first of them. */
export function resolveTargets(
  targets: readonly (LooseTarget | undefined)[] | undefined,
  kinds: Kinds,
  report: Report,
): { drafts: Map<string, TargetDraft>; complete: boolean } {
  const drafts = new Map<string, TargetDraft>();
  const names = new UniqueNames("target", report);
  let complete = targets !== undefined;
  targets?.forEach((target, index) => {
    const path = ["targets", index];
    const name = names.take(target?.name, [...path, "name"]);
    const draft = target === undefined ? undefined : resolveTarget(target, name, path, kinds, report);
    if (draft === undefined) complete = false;
    else if (!drafts.has(draft.name)) drafts.set(draft.name, draft);
  });
  return { drafts, complete };
}

function resolveTarget(
  target: LooseTarget,
  name: string | undefined,
  path: Path,
  kinds: Kinds,
  report: Report,
): TargetDraft | undefined {
  const found = target.kind === undefined ? undefined : kinds.find("target", target.kind, [...path, "kind"]);
  const idleTimeoutMs = positiveDuration(target.idle_timeout, [...path, "idle_timeout"], report);
  const { endpoints, complete } = resolveEndpoints(target.endpoints, [...path, "endpoints"], report);
  const probed = {
    startsService: found?.kind.startsService,
    hasTcp: [...endpoints.values()].some((each) => each.protocol === "tcp"),
    complete: complete && [...endpoints.values()].every((each) => each.protocol !== undefined),
  };
  const ready = target.ready && resolveReady(target.ready, probed, [...path, "ready"], report);
  const options =
    found === undefined
      ? undefined
      : kinds.conforming(
          target.options,
          found.kind.options,
          [...path, "options"],
          `options schema of ${quote(target.kind ?? "")}`,
        );
  if (name === undefined) return undefined;
  const resolved = [...endpoints.values()].filter(isResolved);
  let config: TargetConfig | undefined;
  if (
    found !== undefined &&
    ready !== undefined &&
    options !== undefined &&
    idleTimeoutMs !== undefined &&
    complete &&
    resolved.length === endpoints.size
  ) {
    const candidate: TargetConfig = {
      name,
      kind: found.reference,
      idleTimeoutMs,
      ready,
      // copied: an array that grew has room for sixteen more, for as long as the configuration lives
      endpoints: [...resolved],
      options: options.value,
    };
    if (kinds.check(path, () => found.kind.check?.(candidate) ?? [])) config = candidate;
  }
  return { name, endpoints, complete, config };
}

function isResolved(draft: EndpointDraft): draft is EndpointConfig {
  return draft.protocol !== undefined && draft.addresses !== undefined;
}

function resolveEndpoints(
  given: readonly (LooseEndpoint | undefined)[] | undefined,
  path: Path,
  report: Report,
): { endpoints: Map<string, EndpointDraft>; complete: boolean } {
  const endpoints = new Map<string, EndpointDraft>();
  const names = new UniqueNames("endpoint", report);
  let complete = given !== undefined;
  given?.forEach((endpoint, index) => {
    const own = [...path, index];
    const name = names.take(endpoint?.name, [...own, "name"]);
    const addresses = endpoint === undefined ? undefined : resolveAddresses(endpoint, own, report);
    if (endpoint === undefined || name === undefined) complete = false;
    else if (!endpoints.has(name)) endpoints.set(name, { name, protocol: endpoint.protocol, addresses });
  });
  return { endpoints, complete };
}

function resolveAddresses(endpoint: LooseEndpoint, path: Path, report: Report): AddrPort[] | undefined {
  const listPath = [...path, "addresses"];
  if (endpoint.address !== undefined && endpoint.addresses !== undefined) {
    report.key(listPath, 'both "address" and "addresses" are there; keep one: "addresses" may hold all of them');
    return undefined;
  }
  const texts = endpoint.address === undefined ? endpoint.addresses : [endpoint.address];
  if (texts === undefined) {
    const isWrong = report.isRefused(listPath) || report.isRefused([...path, "address"]);
    if (!isWrong) report.value(path, `the address is missing; expected "address: 127.0.0.1:8080" or a list "addresses"`);
    return undefined;
  }
  const resolved: AddrPort[] = [];
  texts.forEach((text, index) => {
    const own = endpoint.address === undefined ? [...listPath, index] : [...path, "address"];
    const address = text === undefined ? undefined : report.parsed(own, () => parseAddrPort(text));
    if (address === undefined) return;
    const twin = resolved.find((each) => each.family === address.family);
    if (isWildcard(address)) {
      const loopback = formatAddrPort({ ...address, address: address.family === "ipv4" ? "127.0.0.1" : "::1" });
      report.value(
        own,
        `${formatAddrPort(address)} stands for all addresses and can't be connected to; for this machine: "${loopback}"`,
      );
    } else if (twin !== undefined) {
      const family = address.family === "ipv4" ? "IPv4" : "IPv6";
      report.value(own, `a second ${family} address, after ${formatAddrPort(twin)}; an endpoint has at most one of each family`);
    } else resolved.push(address);
  });
  // copied: see above
  return resolved.length === texts.length ? [...resolved] : undefined;
}
