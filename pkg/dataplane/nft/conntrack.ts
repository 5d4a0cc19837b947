/** The flows of targets, by what the kernel knows of connections. */
import { networkInterfaces } from "node:os";
import { Fault } from "../../fault/fault.ts";
import type { FlowTable, KernelFlow } from "../../netlink/netlink.ts";
import { type AddrPort, isWildcard, sameAddrPort } from "../../value/addr-port.ts";
import type { Protocol } from "../../value/protocol.ts";
import type { Flow, FlowSummary } from "../dataplane.ts";

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

/** A closed TCP flow lingers in these states; it is not alive. */
const CLOSED_STATES: ReadonlySet<string> = new Set(["TIME_WAIT", "CLOSE"]);

/**
 * Of a flow that a flowtable forwards (nf_flowtable.rst) the kernel tells neither lifetime nor state; when it has been
 * silent for this long, it is given back.
 */
const OFFLOADED_SECONDS = 30;

export class Conntrack {
  readonly #ignoreMark: number;
  #table: FlowTable | undefined;
  /** Listen addresses for the next pass. */
  #listens: AddrPort[] = [];
  #pass: Promise<void> | undefined;

  /** `ignoreMark`: the bit of the conntrack mark of flows that never count as alive. */
  constructor(ignoreMark: number) {
    this.#ignoreMark = ignoreMark;
  }

  /** From now on there is something to ask, which stays the caller's to close. */
  open(table: FlowTable): void {
    this.#table = table;
  }

  /**
   * The flows that go to `endpoint` and are alive. `fast`: where flows may take the fast path. @throws Fault FLOWS_FAILED, and
   * what quietFor() does
   */
  async aliveFlows(protocol: Protocol, endpoint: AddrPort, fast?: FastFlows): Promise<FlowSummary> {
    let count = 0;
    let longest = 0;
    let fastCount = 0;
    await this.#opened().each({ family: endpoint.family, protocol, replySource: endpoint }, (flow) => {
      if (isClosed(flow) || this.#isIgnored(flow)) return;
      if (fast !== undefined && isStrange(flow, fast) && isTranslated(flow)) {
        fastCount++;
        return;
      }
      count++;
      longest = Math.max(longest, remainingMs(flow));
    });
    if (fast === undefined || fastCount === 0) return { count, longestMs: longest };
    // none of them has had a packet after the endpoint's last one
    const leftMs = fast.timeoutMs - (await fast.quietFor());
    return leftMs <= 0
      ? { count, longestMs: longest }
      : { count: count + fastCount, longestMs: Math.max(longest, Math.ceil(leftMs)) };
  }

  /**
   * Calls `visit` for each flow that goes to one of `endpoints` and is alive; one pass for each family. @throws as aliveFlows()
   */
  async eachFlow(endpoints: readonly FlowEndpoint[], visit: (flow: Flow) => void): Promise<void> {
    const wanted = new Map(endpoints.map((each) => [endpointKey(each.protocol, each.address), each]));
    const fastFlows: { readonly flow: Flow; readonly fast: FastFlows }[] = [];
    const look = (found: KernelFlow): void => {
      const goal = wanted.get(endpointKey(found.protocol, found.endpoint));
      if (goal === undefined || isClosed(found)) return;
      const { protocol, source, destination, state } = found;
      const { address: endpoint, fast } = goal;
      const ignored = this.#isIgnored(found);
      const flow = { protocol, source, destination, endpoint, state, remainingMs: remainingMs(found), ignored };
      if (fast !== undefined && isStrange(found, fast) && isTranslated(found)) fastFlows.push({ flow, fast });
      else visit(flow);
    };
    for (const family of new Set(endpoints.map(({ address }) => address.family))) await this.#opened().each({ family }, look);
    const left = new Map<FastFlows, number>();
    for (const { flow, fast } of fastFlows) {
      const leftMs = left.get(fast) ?? fast.timeoutMs - (await fast.quietFor());
      left.set(fast, leftMs);
      if (leftMs > 0) visit({ ...flow, remainingMs: leftMs });
    }
  }

  /**
   * Forgets the UDP flows to `listens` that are not translated: they began before the mapping did, and the kernel, which
   * decides once for each flow, would leave them so for as long as their clients keep sending. What is asked for in one turn is
   * one pass. @throws Fault FLOWS_FAILED
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
      await this.#opened().delete({ family }, (flow) => {
        const { address, port } = flow.destination;
        if (flow.protocol !== "udp" || isTranslated(flow)) return false;
        return concerned.has(`${address} ${port}`) || (own.has(address) && concerned.has(`* ${port}`));
      });
    }
  }

  /** Deletes the entries of the flows that go to `endpoint`, whatever state they are in. @throws Fault FLOWS_FAILED */
  async cut(protocol: Protocol, endpoint: AddrPort): Promise<void> {
    await this.#opened().delete({ family: endpoint.family, protocol, replySource: endpoint }, () => true);
  }

  #opened(): FlowTable {
    if (this.#table === undefined) throw new Fault("FLOWS_FAILED", "the connections that the kernel knows are not open");
    return this.#table;
  }

  #isIgnored({ mark }: KernelFlow): boolean {
    return (mark & this.#ignoreMark) !== 0;
  }
}

function isClosed({ state }: KernelFlow): boolean {
  return state !== undefined && CLOSED_STATES.has(state);
}

function isTranslated({ destination, endpoint }: KernelFlow): boolean {
  return !sameAddrPort(destination, endpoint);
}

function remainingMs({ timeoutSeconds = OFFLOADED_SECONDS }: KernelFlow): number {
  return timeoutSeconds * 1000;
}

/** Longer than its policy allows: it has left the fast path, and no packet has come since. */
function isStrange(flow: KernelFlow, { timeoutMs }: FastFlows): boolean {
  return flow.offloaded || remainingMs(flow) > timeoutMs;
}

function endpointKey(protocol: string, { address, port }: AddrPort): string {
  return `${protocol} ${address} ${port}`;
}

function textOf(listen: AddrPort): string {
  return `${isWildcard(listen) ? "*" : listen.address} ${listen.port}`;
}
