/** The targets of a soak, their frontends, and the doors by which clients come in. */
import { resolve } from "node:path";
import { PYTHON } from "../e2e/on-demand.ts";
import { BACKEND, BACKEND6, CLIENT, CLIENT6, GATEWAY, GATEWAY6, GATEWAY_INNER, type Host } from "../e2e/topology.ts";
import type { Random } from "./random.ts";

const SERVICE = resolve(import.meta.dirname, "service.py");
const GATEWAY_INNER6 = "fd77:2::1";
/** Addresses that a frontend denies, ignores; the client's host has them as well. */
export const DENIED = "10.77.1.3";
export const IGNORED = "10.77.1.4";

type Protocol = "tcp" | "udp";
export type Result = "ok" | "refused" | "reset" | "eof" | "timeout" | "unreachable" | "wrong" | "twice" | "late" | "resent";

/** Where clients of one host come in, and what they are to meet there. */
export interface Door {
  readonly name: string;
  readonly target: string;
  readonly frontend: string;
  readonly host: Host;
  readonly source?: string;
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
  readonly style: "brief" | "kept" | "datagrams";
  /** What a client does that is in order, faults or not. */
  readonly answers: readonly string[];
  readonly normal: readonly Result[];
  /** A page is served here while the target is not active. */
  readonly isPage: boolean;
  /** Seconds between two of its own connections, one of which is chosen. */
  readonly thinks: readonly number[];
  /** Seconds after which it gives up. */
  readonly patience: number;
  /** Milliseconds within which it is to be answered: the service's start, and a machine that has much to do. */
  readonly late: number;
}

interface Sort {
  readonly count: number;
  readonly protocol: Protocol;
  /** One for each family. On the backend's addresses, the service runs there all the time. */
  readonly endpoints: readonly string[];
  readonly listens: readonly string[];
  /** Seconds that the service takes to start. */
  readonly delay?: number;
  readonly frontend?: Record<string, unknown>;
  readonly source?: string;
  readonly normal?: readonly Result[];
}

const LOOPBACK: Pick<Sort, "endpoints" | "listens"> = { endpoints: ["127.0.0.1"], listens: ["0.0.0.0"] };
const INNER6: Pick<Sort, "endpoints" | "listens"> = { endpoints: [GATEWAY_INNER6], listens: ["[::]"] };
const DUAL: Pick<Sort, "endpoints" | "listens"> = { endpoints: ["127.0.0.1", GATEWAY_INNER6], listens: ["0.0.0.0", "[::]"] };
const ELSEWHERE: Pick<Sort, "endpoints" | "listens"> = { endpoints: [BACKEND], listens: ["0.0.0.0"] };
const ELSEWHERE6: Pick<Sort, "endpoints" | "listens"> = { endpoints: [BACKEND6], listens: ["[::]"] };
const PAGE = { kind: "static:http", options: { content: "starting" } };

const SORTS: readonly Sort[] = [
  { count: 7, protocol: "tcp", ...LOOPBACK },
  { count: 2, protocol: "tcp", ...LOOPBACK, delay: 0.5 },
  { count: 1, protocol: "tcp", ...LOOPBACK, delay: 1.5 },
  { count: 2, protocol: "tcp", endpoints: ["127.0.0.1"], listens: [GATEWAY] },
  { count: 1, protocol: "tcp", endpoints: ["::1"], listens: ["[::1]"] },
  { count: 2, protocol: "tcp", ...INNER6 },
  { count: 2, protocol: "tcp", ...DUAL },
  { count: 2, protocol: "tcp", ...ELSEWHERE },
  { count: 1, protocol: "tcp", ...ELSEWHERE6 },
  { count: 4, protocol: "udp", ...LOOPBACK },
  { count: 1, protocol: "udp", ...LOOPBACK, delay: 0.4 },
  { count: 1, protocol: "udp", ...INNER6 },
  { count: 1, protocol: "udp", ...DUAL },
  { count: 1, protocol: "udp", ...ELSEWHERE },
  { count: 1, protocol: "udp", ...ELSEWHERE6 },
  { count: 2, protocol: "tcp", ...LOOPBACK, delay: 0.3, frontend: PAGE },
  { count: 1, protocol: "tcp", ...LOOPBACK, frontend: { kind: "static:always" } },
  { count: 1, protocol: "udp", ...LOOPBACK, frontend: { kind: "static:always" } },
  { count: 1, protocol: "tcp", ...LOOPBACK, frontend: { deny: [DENIED] }, source: DENIED, normal: ["timeout"] },
  // nothing of it keeps the service: it may be stopped under its hands
  {
    count: 1,
    protocol: "tcp",
    ...LOOPBACK,
    frontend: { ignore: [IGNORED] },
    source: IGNORED,
    normal: ["refused", "reset", "eof"],
  },
  { count: 1, protocol: "tcp", ...LOOPBACK, frontend: { wake_limit: "3/2s" }, normal: ["refused"] },
];

/** A service's own port is its listen port and this. */
const ENDPOINT_OFFSET = 1000;
const FIRST_PORT = 8100;
/** Longer than any client of TCP thinks. */
const TCP_FLOW_TIMEOUT = "20s";
const UDP_FLOW_TIMEOUT_S = 1;

interface Service {
  readonly name: string;
  readonly sort: Sort;
  readonly port: number;
  readonly idleSeconds: number;
}

/** What a reload changes, with each round. */
export interface Variation {
  readonly round: number;
  readonly onShutdown?: "keep" | "stop";
  /** Of these, how often the command was changed. */
  readonly commands?: ReadonlyMap<string, number>;
}

export class Scenario {
  readonly #services: readonly Service[];
  readonly doors: readonly Door[];

  constructor(random: Random) {
    let port = FIRST_PORT;
    this.#services = SORTS.flatMap((sort) =>
      Array.from({ length: sort.count }, () => {
        const name = `${sort.protocol}-${String(++port)}`;
        return { name, sort, port, idleSeconds: Math.round(random.between(0.3, 2.5) * 100) / 100 };
      }),
    );
    this.doors = this.#services.flatMap((service, at) => doorsOf(service, at));
  }

  /** Targets whose service the daemon starts. */
  get commands(): string[] {
    return this.#services.filter(({ sort }) => !isElsewhere(sort)).map(({ name }) => name);
  }

  /** Targets that are never idle. */
  get wanted(): string[] {
    return this.#services.filter(({ sort }) => sort.frontend?.["kind"] === "static:always").map(({ name }) => name);
  }

  get targets(): string[] {
    return this.#services.map(({ name }) => name);
  }

  /** Whether a line of conntrack's is about a flow that was translated; those of probes and pages were not. */
  isTranslated(line: string): boolean {
    const asked = Number(/ dport=(\d+)/.exec(line)?.[1]);
    const answering = Number(/ dport=\d+ .* sport=(\d+)/.exec(line)?.[1]);
    return this.#services.some(({ port }) => port === asked && port + ENDPOINT_OFFSET === answering);
  }

  /** The targets that an element of the table is for, by the ports in its key. */
  targetsOf(key: unknown): string[] {
    const ports = numbersIn(key);
    return this.#services.filter(({ port }) => ports.has(port) || ports.has(port + ENDPOINT_OFFSET)).map(({ name }) => name);
  }

  /** Whether such an element is there in every state of its target: those of pages come and go. */
  isLasting(key: unknown): boolean {
    const names = this.targetsOf(key);
    return names.length > 0 && this.#services.every(({ name, sort }) => !names.includes(name) || sort.frontend !== PAGE);
  }

  /** The arguments of the program that is all services of the backend. */
  get backendArgs(): string[] {
    const all = this.#services.filter(({ sort }) => isElsewhere(sort));
    return ["-IS", SERVICE, "0", ...all.flatMap((each) => serviceArgs(each))];
  }

  configuration({ round, onShutdown = "stop", commands = new Map() }: Variation): Record<string, unknown> {
    const extra = `extra-${String(round)}`;
    return {
      on_shutdown: onShutdown,
      targets: [
        ...this.#services.map((each) => targetOf(each, commands.get(each.name) ?? 0)),
        { name: extra, kind: "static:none", endpoints: [{ name: "main", protocol: "tcp", address: "127.0.0.1:7999" }] },
      ],
      frontends: [
        ...this.#services.map((each, at) => frontendOf(each, at, round)),
        { name: `front-${extra}`, kind: "static:on-demand", listen: "0.0.0.0:7998", target: `${extra}:main` },
      ],
    };
  }
}

function numbersIn(value: unknown): Set<number> {
  if (typeof value === "number") return new Set([value]);
  if (typeof value !== "object" || value === null) return new Set();
  return new Set(Object.values(value).flatMap((each) => [...numbersIn(each)]));
}

function isElsewhere({ endpoints }: Sort): boolean {
  return endpoints.some((each) => each === BACKEND || each === BACKEND6);
}

function serviceArgs({ sort, port }: Service): string[] {
  return sort.endpoints.flatMap((address) => [sort.protocol, address, String(port + ENDPOINT_OFFSET)]);
}

function targetOf(service: Service, changed: number): Record<string, unknown> {
  const { name, sort, port, idleSeconds } = service;
  const addresses = sort.endpoints.map((address) => withPort(address, port + ENDPOINT_OFFSET));
  const endpoints = [{ name: "main", protocol: sort.protocol, addresses }];
  const common = { name, idle_timeout: `${String(idleSeconds)}s`, endpoints };
  if (isElsewhere(sort)) return { ...common, kind: "static:none" };
  const program = `exec ${PYTHON} -IS ${SERVICE} ${String(sort.delay ?? 0)} ${serviceArgs(service).join(" ")}`;
  const listening = sort.endpoints.map((address) => `ss -Hlnu src ${withPort(address, port + ENDPOINT_OFFSET)} | grep -q .`);
  return {
    ...common,
    kind: "static:cmd",
    options: { command: changed === 0 ? program : `: ${String(changed)}; ${program}` },
    ...(sort.protocol === "udp" ? { ready: { probe: "command", command: listening.join(" && ") } } : {}),
  };
}

function frontendOf({ name, sort, port }: Service, at: number, round: number): Record<string, unknown> {
  const own = sort.frontend ?? {};
  // every third one differs from reload to reload, in what is nobody's concern
  const deny =
    at % 3 === round % 3 ? { deny: [...((own["deny"] as string[] | undefined) ?? []), `192.0.2.${String(round % 200)}`] } : {};
  return {
    name: `front-${name}`,
    kind: "static:on-demand",
    listen: sort.listens.map((address) => `${address}:${String(port)}`),
    target: `${name}:main`,
    flow_timeout: sort.protocol === "tcp" ? TCP_FLOW_TIMEOUT : `${String(UDP_FLOW_TIMEOUT_S)}s`,
    ...own,
    ...deny,
  };
}

function withPort(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${String(port)}` : `${address}:${String(port)}`;
}

interface Visitor {
  readonly host: Host;
  readonly address: string;
  readonly endpoint: string;
  /** As the service sees it. */
  readonly seen: string;
}

/** Who can come to a listen address. A wildcard is every address of the gateway. */
function visitorsOf(sort: Sort, listen: string): Visitor[] {
  const isIPv6 = listen.startsWith("[");
  const endpoint = sort.endpoints.find((each) => each.includes(":") === isIPv6) ?? "";
  const away = isElsewhere(sort);
  const visitor = (host: Host, address: string, seen: string): Visitor => ({ host, address, endpoint, seen });
  if (sort.source !== undefined) return [visitor("client", GATEWAY, sort.source), visitor("client", GATEWAY, CLIENT)];
  if (listen === "[::1]") return [visitor("gateway", "::1", "::1")];
  if (listen === GATEWAY) return [visitor("client", GATEWAY, CLIENT), visitor("gateway", GATEWAY, GATEWAY)];
  // those of the service's own network, or of the gateway's loopback addresses, are seen as the gateway
  if (isIPv6) {
    return [visitor("client", GATEWAY6, CLIENT6), visitor("backend", GATEWAY_INNER6, away ? GATEWAY_INNER6 : BACKEND6)];
  }
  return [
    visitor("client", GATEWAY, CLIENT),
    visitor("gateway", "127.0.0.1", away ? GATEWAY_INNER : "127.0.0.1"),
    visitor("backend", GATEWAY_INNER, away ? GATEWAY_INNER : BACKEND),
  ];
}

function doorsOf(service: Service, at: number): Door[] {
  const { name, sort, port, idleSeconds } = service;
  const isPage = sort.frontend === PAGE;
  // the moment at which it is found idle is the one to hit
  const idle = idleSeconds + (sort.protocol === "udp" ? UDP_FLOW_TIMEOUT_S : 0);
  return sort.listens.flatMap((listen) =>
    visitorsOf(sort, listen).flatMap((visitor, which): Door[] => {
      // one of each service's visitors at a time, or it would never be idle
      if (sort.source === undefined && which > 0 && at % 2 === 0) return [];
      const isSource = visitor.seen === sort.source;
      const answer = `${String(port + ENDPOINT_OFFSET)} ${visitor.seen}`;
      const door = {
        target: name,
        frontend: `front-${name}`,
        host: visitor.host,
        ...(isSource ? { source: visitor.seen } : {}),
        protocol: sort.protocol,
        address: visitor.address,
        port,
        answers: isPage ? [answer, "starting"] : [answer],
        normal: sort.source === undefined || isSource ? (sort.normal ?? []) : [],
        isPage,
        thinks: [0.05, idle, idle, 2 * idle + 1, 5],
        patience: sort.normal?.includes("timeout") === true && isSource ? 1 : 25,
        late: 1000 * (sort.delay ?? 0) + 10_000,
      };
      const styles =
        sort.protocol === "udp"
          ? (["datagrams"] as const)
          : at % 3 === 0 && which === 0 && !isPage
            ? (["brief", "kept"] as const)
            : (["brief"] as const);
      return styles.map((style) => ({ ...door, name: `${visitor.host} ${visitor.seen} ${name} ${style}`, style }));
    }),
  );
}
