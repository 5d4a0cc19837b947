/**
 * Rules of other tables that would drop this gateway's packets, or send them elsewhere.
 *
 * Which hook matters: packets for an endpoint on this machine pass input, with the endpoint's port, since DNAT comes first;
 * those for an endpoint elsewhere pass forward. A page of static:http is served by the machine itself: input, with the listen
 * address, and no DNAT.
 */
import type { Config, FrontendConfig, Route } from "../config/types.ts";
import type { Finding } from "../plugin/finding.ts";
import { type AddrPort, formatAddrPort, isLoopback, isWildcard } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";
import { addressRange } from "./address-range.ts";
import { firewallRemedy } from "./firewall-remedy.ts";
import { named } from "./names.ts";
import { isInner, type Network } from "./network.ts";
import { walk } from "./rule-walk.ts";
import { type Chain, type Outcome, type Packet, sees } from "./rules.ts";

export interface FirewallFacts {
  readonly chains: readonly Chain[];
  readonly network: Network;
  readonly isLocal: (address: string) => boolean;
}

/** A packet at a hook, and whose. */
interface Passage {
  readonly frontend: string;
  readonly hook: "input" | "forward";
  /** Where it is going there; `isForwarded` by DNAT. */
  readonly to: AddrPort;
  readonly protocol: Protocol;
  readonly isTranslated: boolean;
  readonly packet: Packet;
}

type Fate = "passes" | "dropped" | "depends" | "unreadable";

interface Result {
  readonly passage: Passage;
  readonly fate: Fate;
  readonly outcomes: readonly Outcome[];
}

export function firewallFindings(config: Config, facts: FirewallFacts): Finding[] {
  const passages = config.frontends.flatMap((frontend) => frontend.routes.flatMap((route) => passagesOf(frontend, route, facts)));
  const bases = facts.chains.filter(({ base }) => base?.type !== "nat" && (base?.hook === "input" || base?.hook === "forward"));
  return bases.flatMap((base) => {
    const results = passages
      .filter(({ hook, packet }) => hook === base.base?.hook && sees(base, packet.family))
      .map((passage): Result => {
        const outcomes = walk(facts.chains, base, passage.packet);
        return { passage, fate: fateOf(outcomes), outcomes };
      });
    return findingsOf(base, results, facts.chains);
  });
}

function passagesOf(frontend: FrontendConfig, { listen, endpoint }: Route, { network, isLocal }: FirewallFacts): Passage[] {
  const { name, protocol, whenCold } = frontend;
  const isHere = isLoopback(endpoint) || isLocal(endpoint.address);
  const way = network.ways.get(endpoint.address);
  const oif = isHere || way === undefined || way === "none" ? undefined : way.device;
  // clients of this machine itself never pass forward
  const hooks = isHere ? (["input"] as const) : isLoopback(listen) ? [] : (["forward"] as const);
  const common = { frontend: name, protocol };
  return entries(listen, network).flatMap((iif) => [
    ...hooks.map((hook) => ({
      ...common,
      hook,
      to: endpoint,
      isTranslated: true,
      packet: packetTo(endpoint, protocol, { isLocal: isHere, iif, oif, ct: new Set(["new", "dnat"]) }),
    })),
    ...(whenCold === "pass"
      ? [
          {
            ...common,
            hook: "input" as const,
            to: listen,
            isTranslated: false,
            packet: packetTo(listen, protocol, { isLocal: true, iif, oif: undefined, ct: new Set(["new"]) }),
          },
        ]
      : []),
  ]);
}

function packetTo(to: AddrPort, protocol: Protocol, rest: Pick<Packet, "isLocal" | "iif" | "oif" | "ct">): Packet {
  const daddr = isWildcard(to) ? undefined : addressRange(to.address)?.[0];
  return { family: to.family, protocol, daddr, port: to.port, ...rest };
}

/** Interfaces by which clients come. Undefined: any. */
function entries(listen: AddrPort, { addresses }: Network): (string | undefined)[] {
  if (isLoopback(listen)) return ["lo"];
  const family = addresses.filter((each) => each.family === listen.family && each.name !== "lo");
  const own = isWildcard(listen)
    ? family.filter(({ name }) => !isInner(name))
    : family.filter((each) => each.address === listen.address);
  const names = [...new Set(own.map(({ name }) => name))];
  return names.length === 0 ? [undefined] : names;
}

function fateOf(outcomes: readonly Outcome[]): Fate {
  const kinds = new Set(outcomes.map(({ kind }) => kind));
  if (!kinds.has("drop")) return "passes";
  if (kinds.size === 1) return "dropped";
  return outcomes.some(({ doubt, kind }) => doubt === "unknown" || kind === "unknown") ? "unreadable" : "depends";
}

const SEVERITIES = { dropped: "error", unreadable: "warning", depends: "note" } as const;

/** What becomes, in one chain, of all packets of a frontend to one place. */
interface Sum {
  readonly passage: Passage;
  readonly fate: keyof typeof SEVERITIES;
  readonly outcomes: readonly Outcome[];
  /** By which they do not get through, where by others they do. */
  readonly devices: readonly string[];
}

function findingsOf(base: Chain, results: readonly Result[], chains: readonly Chain[]): Finding[] {
  const groups = new Map<string, [Sum, ...Sum[]]>();
  const ways = new Map<string, Result[]>();
  for (const result of results) {
    const { frontend, to, isTranslated } = result.passage;
    const key = `${frontend}\n${formatAddrPort(to)}\n${String(isTranslated)}`;
    ways.set(key, [...(ways.get(key) ?? []), result]);
  }
  for (const sum of [...ways.values()].flatMap(sumOf)) {
    const key = `${sum.fate} ${String(sum.passage.isTranslated)} ${sum.devices.join()}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [sum]);
    else group.push(sum);
  }
  return [...groups.values()].map((group) => {
    const passages = group.map(({ passage }) => passage);
    const remedy = firewallRemedy(base, chains, passages);
    return { id: "firewall-drops", severity: SEVERITIES[group[0].fate], what: dropText(group), where: chainText(base), remedy };
  });
}

function sumOf(results: readonly Result[]): Sum[] {
  const failing = results.filter(({ fate }) => fate !== "passes");
  const [first] = failing;
  if (first === undefined) return [];
  const { passage, outcomes } = failing.find(({ fate }) => fate !== "dropped") ?? first;
  // a firewall that lets in one side and not the other is meant so more often than not
  const isPartial = failing.length < results.length;
  const devices = isPartial ? failing.flatMap((each) => each.passage.packet.iif ?? []) : [];
  if (!isPartial && failing.every(({ fate }) => fate === "dropped")) return [{ passage, fate: "dropped", outcomes, devices }];
  const isUnreadable = failing.some(({ fate }) => fate === "unreadable");
  return [{ passage, fate: isUnreadable ? "unreadable" : "depends", outcomes, devices }];
}

function dropText(group: readonly [Sum, ...Sum[]]): string {
  const [{ passage, fate, outcomes, devices }] = group;
  const names = group.map((each) => each.passage.frontend);
  const clients = `clients of ${named("frontend", names)}${devices.length > 0 ? ` that come in by ${devices.join(", ")}` : ""}`;
  const goal = passage.isTranslated ? "on their way to the endpoint" : "on their way to the page";
  const by = outcomes.findLast(({ kind }) => kind === "drop")?.by ?? "";
  const exceptions = outcomes
    .filter(({ kind }) => kind !== "drop")
    .map((each) => each.by)
    .join("; ");
  if (fate === "unreadable")
    return `${clients} may be dropped ${goal} (${by}): it cannot be told from here, because of: ${exceptions}`;
  if (exceptions !== "") return `${clients} are dropped ${goal} (${by}), but for those that this lets through: ${exceptions}`;
  return `${clients} are dropped ${goal}: ${by}`;
}

function chainText({ family, table, name, legacy }: Chain): string {
  return `chain ${name} of table ${family} ${table}${legacy ? " (legacy iptables)" : ""}`;
}

/** Without a configuration: what is in the way of any target on another machine. */
export function forwardFindings(chains: readonly Chain[], network: Network): Finding[] {
  return chains
    .filter(({ base }) => base?.type !== "nat" && base?.hook === "forward")
    .flatMap((base) => {
      const family = base.family === "ip6" ? "ipv6" : "ipv4";
      const iif = network.defaults.find((each) => each.family === family)?.device ?? "";
      const packet: Packet = {
        family,
        protocol: "tcp",
        daddr: undefined,
        port: undefined,
        isLocal: false,
        iif,
        oif: "",
        ct: new Set(["new", "dnat"]),
      };
      const fate = fateOf(walk(chains, base, packet));
      if (fate === "passes") return [];
      return [
        {
          id: "firewall-drops",
          severity: "warning" as const,
          what: `packets that are forwarded ${fate === "dropped" ? "are" : "may be"} dropped: clients of targets on other machines would not get through`,
          where: chainText(base),
          remedy: firewallRemedy(base, chains, []),
        },
      ];
    });
}

/** DNAT of others at the same place: the one that comes first has the flow. Ours is at -100. */
export function natFindings(config: Config, { chains, isLocal }: FirewallFacts): Finding[] {
  const ours = -100;
  const bases = chains.filter(({ base }) => base?.type === "nat" && base.hook === "prerouting" && base.priority <= ours);
  return bases.flatMap((base) =>
    config.frontends.flatMap(({ name, protocol, routes }) =>
      routes
        .filter(({ listen }) => sees(base, listen.family) && !isLoopback(listen))
        .flatMap(({ listen }): Finding[] => {
          const isOwn = isWildcard(listen) || isLocal(listen.address);
          const packet = packetTo(listen, protocol, { isLocal: isOwn, iif: undefined, oif: undefined, ct: new Set(["new"]) });
          const taking = walk(chains, base, packet).filter(({ kind }) => kind === "nat");
          const [first] = taking;
          if (first === undefined) return [];
          const isFirst = (base.base?.priority ?? 0) < ours;
          return [
            {
              id: "nat-conflict",
              severity: "warning",
              what:
                `a rule sends ${first.doubt === undefined ? "" : "at least some "}packets to port ${listen.port} elsewhere (${first.by}), ` +
                (isFirst
                  ? "before this gateway does"
                  : "at the same priority as this gateway: of the two tables, the one that was made last has them"),
              where: `${chainText(base)}; frontend "${name}"`,
              remedy: "remove that rule (with Docker: publish another port), or give the frontend another listen address",
            },
          ];
        }),
    ),
  );
}
