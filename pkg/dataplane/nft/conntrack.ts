/** The conntrack program, and the only place that reads what it prints. */
import { networkInterfaces } from "node:os";
import { Fault } from "../../fault/fault.ts";
import type { ToolResult, ToolRunner } from "../../process/process.ts";
import { type AddrPort, isWildcard, sameAddrPort } from "../../value/addr-port.ts";
import type { Protocol } from "../../value/protocol.ts";
import type { Flow, FlowSummary } from "../dataplane.ts";

/** A line of `conntrack -L`. */
export interface FlowLine {
  readonly remainingSeconds: number;
  /** TCP only. */
  readonly state?: string;
  /** 0 where the kernel has no conntrack marks. */
  readonly mark: number;
  /** A flowtable forwards it. */
  readonly offloaded?: true;
}

/** An endpoint whose flows are looked for. */
export interface FlowEndpoint {
  readonly protocol: Protocol;
  readonly address: AddrPort;
  /** Where they may take the fast path. */
  readonly fast: FastFlows | undefined;
}

/** What is known of flows that take the fast path, or have left it: conntrack has lifetimes of its own for them. */
export interface FastFlows {
  /** How long a flow lives without packets. */
  readonly timeoutMs: number;
  /** Since the endpoint's last packet, or since packets are counted. */
  quietFor(): Promise<number>;
}

/**
 * Of a flow that a flowtable forwards (nf_flowtable.rst) conntrack knows neither lifetime nor state; when it has been
 * silent for this long, the kernel gives it back.
 */
const OFFLOADED_SECONDS = 30;

/**
 * `tcp      6 54 ESTABLISHED src=… …`, `udp      17 29 src=… …`, or `tcp      6 src=… … [OFFLOAD] …`; undefined: not such
 * a line.
 */
export function parseFlowLine(line: string): FlowLine | undefined {
  const match = /^(\w+)\s+\d+\s+(?:(\d{1,10})\s+)?(?:([A-Z][A-Z0-9_]*)\s+)?src=/.exec(line);
  if (match === null) return undefined;
  const remainingSeconds = match[2] === undefined ? OFFLOADED_SECONDS : Number(match[2]);
  const mark = Number(/\bmark=(\d{1,10})/.exec(line)?.[1] ?? 0);
  return {
    remainingSeconds,
    mark,
    ...(match[3] === undefined ? {} : { state: match[3] }),
    ...(line.includes("[OFFLOAD]") ? { offloaded: true } : {}),
  };
}

/** conntrack lists, then deletes one by one: one that ended by itself in between makes it stop there (src/conntrack.c, delete_cb). */
const GONE_MEANWHILE = /such conntrack doesn't exist/;

/** Of short flows hundreds end each second, for two seconds at most, since closed ones stay no longer; each try gets further. */
const DELETE_TRIES = 50;

/** A closed TCP flow lingers in these states; it is not alive. */
const CLOSED_STATES: ReadonlySet<string> = new Set(["TIME_WAIT", "CLOSE"]);

/** `conntrack v1.4.7 (conntrack-tools): 0 flow entries have been deleted.` and exit status 1: there was nothing to delete. */
const NOTHING_DELETED = /\b0 flow entries have been deleted/;

/** Destination as the client sent it, then the source of the reply; they are the same where nothing was translated. */
const DESTINATIONS = /src=\S+ dst=(\S+) sport=\d+ dport=(\d{1,5}) .*?src=(\S+) dst=\S+ sport=(\d{1,5})/;

/** The destination of a flow that is not translated; undefined: it is, or this is no such line. */
export function parseUntranslated(line: string): { readonly address: string; readonly port: number } | undefined {
  const [, address, port, replyAddress, replyPort] = DESTINATIONS.exec(line) ?? [];
  if (address === undefined || address !== replyAddress || port !== replyPort) return undefined;
  return { address, port: Number(port) };
}

/** Client, destination as the client sent it, and the source of the reply. */
const WAY = /^(\w+) .*?\bsrc=(\S+) dst=(\S+) sport=(\d{1,5}) dport=(\d{1,5}) .*?src=(\S+) dst=\S+ sport=(\d{1,5})/;

/** Between whom a flow is. */
interface FlowWay {
  readonly protocol: string;
  readonly source: AddrPort;
  readonly destination: AddrPort;
  /** Where the answers come from. */
  readonly endpoint: AddrPort;
}

/** Undefined: this is no such line, or of a protocol without ports. */
function parseWay(line: string): FlowWay | undefined {
  const match = WAY.exec(line);
  if (match === null) return undefined;
  const at = (address: number, port: number): AddrPort => {
    const text = match[address] ?? "";
    return { family: text.includes(":") ? "ipv6" : "ipv4", address: text, port: Number(match[port]) };
  };
  return { protocol: match[1] ?? "", source: at(2, 4), destination: at(3, 5), endpoint: at(6, 7) };
}

export class Conntrack {
  readonly #tools: ToolRunner;
  readonly #ignoreMark: number;
  /** Listen addresses for the next pass. */
  #listens: AddrPort[] = [];
  #pass: Promise<void> | undefined;

  /** `ignoreMark`: the bit of the conntrack mark of flows that never count as alive. */
  constructor(tools: ToolRunner, ignoreMark: number) {
    this.#tools = tools;
    this.#ignoreMark = ignoreMark;
  }

  /**
   * The flows that go to `endpoint` and are alive. `fast`: where flows may take the fast path. @throws Fault CONNTRACK_FAILED, and
   * what quietFor() does
   */
  async aliveFlows(protocol: Protocol, endpoint: AddrPort, fast?: FastFlows): Promise<FlowSummary> {
    let count = 0;
    let longest = 0;
    let fastCount = 0;
    const onLine = (line: string): void => {
      const flow = parseFlowLine(line);
      if (flow === undefined || isClosed(flow)) return;
      if ((flow.mark & this.#ignoreMark) !== 0) return;
      if (fast !== undefined && isStrange(flow, fast) && parseUntranslated(line) === undefined) {
        fastCount++;
        return;
      }
      count++;
      longest = Math.max(longest, flow.remainingSeconds);
    };
    const result = await this.#tools.run("conntrack", ["-L", ...selector(protocol, endpoint)], { onLine });
    if (result.exitCode !== 0) throw failed("list flows", result);
    if (fast === undefined || fastCount === 0) return { count, longestMs: longest * 1000 };
    // none of them has had a packet after the endpoint's last one
    const leftMs = fast.timeoutMs - (await fast.quietFor());
    return leftMs <= 0
      ? { count, longestMs: longest * 1000 }
      : { count: count + fastCount, longestMs: Math.max(longest * 1000, Math.ceil(leftMs)) };
  }

  /**
   * Calls `visit` for each flow that goes to one of `endpoints` and is alive; one pass for each family. @throws as aliveFlows()
   */
  async eachFlow(endpoints: readonly FlowEndpoint[], visit: (flow: Flow) => void): Promise<void> {
    const wanted = new Map(endpoints.map((each) => [wayKey(each.protocol, each.address), each]));
    const fastFlows: { readonly flow: Flow; readonly fast: FastFlows }[] = [];
    const onLine = (line: string): void => {
      const way = parseWay(line);
      const found = way === undefined ? undefined : wanted.get(wayKey(way.protocol, way.endpoint));
      const parsed = found === undefined ? undefined : parseFlowLine(line);
      if (way === undefined || found === undefined || parsed === undefined || isClosed(parsed)) return;
      const { address: endpoint, protocol, fast } = found;
      const { state, remainingSeconds, mark } = parsed;
      const ignored = (mark & this.#ignoreMark) !== 0;
      const flow = { ...way, protocol, endpoint, state, remainingMs: remainingSeconds * 1000, ignored };
      if (fast !== undefined && isStrange(parsed, fast) && !sameAddrPort(way.destination, endpoint))
        fastFlows.push({ flow, fast });
      else visit(flow);
    };
    for (const family of new Set(endpoints.map(({ address }) => address.family))) {
      const result = await this.#tools.run("conntrack", ["-L", "-f", family], { onLine });
      if (result.exitCode !== 0) throw failed("list flows", result);
    }
    const left = new Map<FastFlows, number>();
    for (const { flow, fast } of fastFlows) {
      const remainingMs = left.get(fast) ?? fast.timeoutMs - (await fast.quietFor());
      left.set(fast, remainingMs);
      if (remainingMs > 0) visit({ ...flow, remainingMs });
    }
  }

  /**
   * Forgets the UDP flows to `listens` that are not translated: they began before the mapping did, and the kernel, which
   * decides once for each flow, would leave them so for as long as their clients keep sending. What is asked for in one turn is
   * one pass. @throws Fault CONNTRACK_FAILED
   */
  cutUntranslated(listens: readonly AddrPort[]): Promise<void> {
    this.#listens.push(...listens);
    this.#pass ??= Promise.resolve().then(() => {
      const all = this.#listens;
      this.#listens = [];
      this.#pass = undefined;
      return this.#cutUntranslated(all);
    });
    return this.#pass;
  }

  async #cutUntranslated(listens: readonly AddrPort[]): Promise<void> {
    const own = new Set(Object.values(networkInterfaces()).flatMap((infos) => infos?.map(({ address }) => address) ?? []));
    for (const family of new Set(listens.map((each) => each.family))) {
      const concerned = new Set(listens.filter((each) => each.family === family).map((each) => textOf(each)));
      const found = new Map<string, { readonly address: string; readonly port: number }>();
      const onLine = (line: string): void => {
        const to = parseUntranslated(line);
        if (to === undefined) return;
        if (concerned.has(`${to.address} ${to.port}`) || (own.has(to.address) && concerned.has(`* ${to.port}`)))
          found.set(`${to.address} ${to.port}`, to);
      };
      const result = await this.#tools.run("conntrack", ["-L", "-f", family, "-p", "udp"], { onLine });
      if (result.exitCode !== 0) throw failed("list flows", result);
      for (const { address, port } of found.values()) {
        await this.#delete([
          ...selector("udp", { family, address, port }),
          ...["--orig-dst", address, "--orig-port-dst", String(port)],
        ]);
      }
    }
  }

  /** Deletes the entries of the flows that go to `endpoint`. @throws Fault CONNTRACK_FAILED */
  async cut(protocol: Protocol, endpoint: AddrPort): Promise<void> {
    await this.#delete(selector(protocol, endpoint));
  }

  async #delete(which: readonly string[]): Promise<void> {
    for (let left = DELETE_TRIES; ; left--) {
      const result = await this.#tools.run("conntrack", ["-D", ...which], { onLine: () => undefined });
      if (result.exitCode === 0 || NOTHING_DELETED.test(result.stderr)) return;
      // some may be left
      const isUnfinished = result.exitCode === null || GONE_MEANWHILE.test(result.stderr);
      if (!isUnfinished || left <= 1) throw failed("delete flows", result);
    }
  }
}

function isClosed({ state }: FlowLine): boolean {
  return state !== undefined && CLOSED_STATES.has(state);
}

/** Longer than its policy allows: it has left the fast path, and no packet has come since. */
function isStrange({ offloaded, remainingSeconds }: FlowLine, { timeoutMs }: FastFlows): boolean {
  return offloaded === true || remainingSeconds * 1000 > timeoutMs;
}

function wayKey(protocol: string, { address, port }: AddrPort): string {
  return `${protocol} ${address} ${port}`;
}

function textOf(listen: AddrPort): string {
  return `${isWildcard(listen) ? "*" : listen.address} ${listen.port}`;
}

/** By the reply's source: that is the endpoint, whichever address the client connected to. */
function selector(protocol: Protocol, endpoint: AddrPort): string[] {
  return [
    ...["-f", endpoint.family, "-p", protocol],
    ...["--reply-src", endpoint.address, "--reply-port-src", String(endpoint.port)],
  ];
}

function failed(doing: string, { exitCode, stderr }: ToolResult): Fault {
  const message = stderr.trim().split("\n").at(-1) ?? "";
  const why = exitCode === null ? "it was killed" : message === "" ? "no message" : message;
  return new Fault("CONNTRACK_FAILED", `conntrack could not ${doing}: ${why}`);
}
