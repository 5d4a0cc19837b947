import type { Clock } from "../clock/clock.ts";
import type { Ending, Route } from "../config/types.ts";
import { Fault } from "../fault/fault.ts";
import { type AddrPort, formatAddrPort, isWildcard, parseAddrPort, sameAddrPort } from "../value/addr-port.ts";
import { parseCidr } from "../value/cidr.ts";
import type { Log } from "../log/log.ts";
import type { Protocol } from "../value/protocol.ts";
import type { Dataplane, Flow, Group, GroupSpec, Needs, Traffic, TransactionListener } from "./dataplane.ts";
import { FakeCommit } from "./fake-commit.ts";
import { type FakeFlow, FakeGroup, type FakeMapping, type FakeOwner, type FakeWay } from "./fake-group.ts";
import { FakeTraffic } from "./fake-traffic.ts";
import { gateRanges, type Range } from "./gate-ranges.ts";
import { HoldRoom } from "./hold-room.ts";
import { MappingClaims } from "./mapping-claims.ts";

/** A client's first packet, on its way. */
interface FakePacket extends FakeWay {
  mapping: FakeMapping;
  route: Route;
  readonly ignored: boolean;
  readonly answer: (outcome: string | undefined) => void;
}

/** Ports of clients, so that each is a flow of its own. */
const FIRST_CLIENT_PORT = 20_000;

/**
 * A dataplane in memory, with clients that tests make. Time is the clock's. Passes the contract suite. Wake limits are
 * the kernel's business and not modelled.
 */
export class FakeDataplane implements Dataplane, FakeOwner {
  readonly clock: Clock;
  readonly claims: MappingClaims;
  readonly groups = new Set<FakeGroup>();
  /** Alive or not; flows() tells. */
  flows: FakeFlow[] = [];
  /** When set, the next change fails with it. */
  nextFailure: Error | undefined;
  /** What start() was given. */
  needs: Needs | undefined;
  readonly log: Log;
  readonly packets = new Map<number, FakePacket>();
  readonly room = new HoldRoom();
  /** How it was closed. */
  ended: Ending | undefined;
  readonly counted = new FakeTraffic();
  #onTransaction: TransactionListener = () => undefined;
  readonly #committed = new FakeCommit();
  #state: "new" | "started" | "closed" = "new";
  #lastId = 0;
  #lastPort = 0;

  constructor(clock: Clock, log: Log, wildcardOverlap: "refuse" | "specific-wins" = "refuse") {
    this.clock = clock;
    this.log = log;
    this.claims = new MappingClaims(wildcardOverlap);
  }

  async start(needs: Needs): Promise<void> {
    this.needs = needs;
    await this.#fail();
    this.#state = "started";
  }

  async commit(): Promise<void> {
    await this.#fail();
    this.#committed.open();
  }

  async adapt(needs: Needs): Promise<void> {
    await this.change();
    this.needs = needs;
  }

  createGroup(spec: GroupSpec): Group {
    this.#refuseStopped();
    const group = new FakeGroup(this, spec);
    this.groups.add(group);
    return group;
  }

  #refuseStopped(): void {
    if (this.#state !== "started") throw new Fault("DATAPLANE_CLOSED", "the dataplane is not running");
  }

  async verify(): Promise<void> {
    await this.change();
  }

  close(how: Ending = "stop"): Promise<void> {
    this.#state = "closed";
    this.ended = how;
    this.#committed.shut(new Fault("DATAPLANE_CLOSED", "the dataplane is closed"));
    return Promise.resolve();
  }

  /** What every change begins with: it takes a moment, and fails when a test wants it to. */
  async change(): Promise<void> {
    await this.#committed.opened;
    await this.#fail().catch((error: unknown) => {
      this.#onTransaction(0, error);
      throw error;
    });
    this.#onTransaction(0);
  }

  onTransaction(listener: TransactionListener): void {
    this.#onTransaction = listener;
  }

  async eachFlow(visit: (flow: Flow) => void): Promise<void> {
    this.#refuseStopped();
    await Promise.resolve();
    for (const flow of this.flows) {
      if (!this.alive(flow) || !this.groups.has(flow.group)) continue;
      const { protocol, source, destination, route, ignored } = flow;
      const remainingMs = flow.lastPacket + flow.timeoutMs - this.clock.now();
      visit({
        protocol,
        source,
        destination,
        endpoint: route.endpoint,
        state: protocol === "tcp" ? "ESTABLISHED" : undefined,
        remainingMs,
        ignored,
      });
    }
  }

  async traffic(): Promise<Traffic> {
    this.#refuseStopped();
    await Promise.resolve();
    return this.counted.copy();
  }

  async #fail(): Promise<void> {
    await Promise.resolve();
    const failure = this.nextFailure;
    this.nextFailure = undefined;
    if (failure !== undefined) throw failure;
  }

  /** A client's first packet to `to`: the endpoint it reaches (text), or undefined when it is refused; waits while it is held. */
  connect(protocol: Protocol, to: AddrPort, from = "192.0.2.99"): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#arrive(protocol, to, from, resolve);
    });
  }

  /** As connect(), for a test that knows that it can't be held; "held" if it is. */
  send(protocol: Protocol, to: AddrPort): string | undefined {
    let outcome: string | undefined = "held";
    this.#arrive(protocol, to, "192.0.2.99", (answer) => {
      outcome = answer;
    });
    return outcome;
  }

  #arrive(protocol: Protocol, to: AddrPort, from: string, answer: (outcome: string | undefined) => void): void {
    const taken = this.#find(protocol, to);
    if (taken === undefined || !taken.mapping.enabled) {
      answer(undefined);
      return;
    }
    const { group, mapping, route } = taken;
    const { denied, ignored } = gateRanges(mapping.spec.gates, to.family);
    const gate = inside(denied, from) ? "denied" : inside(ignored, from) ? "ignored" : undefined;
    const port = FIRST_CLIENT_PORT + ++this.#lastPort;
    const source = parseAddrPort(from.includes(":") ? `[${from}]:${port}` : `${from}:${port}`);
    const way = { protocol, source, destination: to };
    const packet: FakePacket = { mapping, route, ignored: gate === "ignored", ...way, answer };
    if (gate === "denied" || (gate === "ignored" && !group.active)) {
      mapping.gateCounters[gate]++;
      answer(undefined);
    } else if (group.active) this.#reach(packet);
    else if (mapping.spec.whenCold === "pass") answer(undefined);
    else this.#queue(packet);
  }

  #find(protocol: Protocol, to: AddrPort): { group: FakeGroup; mapping: FakeMapping; route: Route } | undefined {
    const routes = [...this.groups].flatMap((group) =>
      group
        .taking()
        .flatMap((mapping) =>
          mapping.spec.protocol === protocol ? mapping.spec.routes.map((route) => ({ group, mapping, route })) : [],
        ),
    );
    return (
      routes.find(({ route }) => sameAddrPort(route.listen, to)) ??
      routes.find(({ route }) => isWildcard(route.listen) && route.listen.family === to.family && route.listen.port === to.port)
    );
  }

  /** What `from` holds goes to the mapping that has its listen address now; if there is none, on its way. */
  handOver(from: FakeMapping): void {
    for (const held of from.hold.handOver()) {
      const packet = this.packets.get(held.id);
      const taken = this.#find(held.protocol, held.destination);
      if (packet === undefined || taken === undefined) {
        this.settle(held.id, true);
        from.hold.gaveUp(held);
        continue;
      }
      packet.mapping = taken.mapping;
      packet.route = taken.route;
      taken.mapping.hold.packet(held);
    }
  }

  #queue(packet: FakePacket): void {
    const id = ++this.#lastId;
    this.packets.set(id, packet);
    const { protocol, source, destination } = packet;
    packet.mapping.hold.packet({ id, flowKey: String(id), protocol, source, destination, bytes: 60 });
  }

  /** The verdict on a queued packet. */
  settle(id: number, accepted: boolean): void {
    const packet = this.packets.get(id);
    if (packet === undefined) return;
    this.packets.delete(id);
    if (accepted && packet.mapping.enabled) this.#reach(packet);
    else packet.answer(undefined);
  }

  #reach({ mapping, route, ignored, answer, protocol, source, destination }: FakePacket): void {
    const { group, spec } = mapping;
    const way = { protocol, source, destination };
    this.flows.push({ ...way, group, route, timeoutMs: spec.flowTimeoutMs, lastPacket: this.clock.now(), ignored });
    this.counted.begin(protocol, route);
    if (!ignored) group.lastPacket = this.clock.now();
    answer(formatAddrPort(route.endpoint));
  }

  /** A further packet on each flow of `group` that is alive. */
  use(group: string): void {
    for (const flow of this.flows) {
      if (flow.group.name !== group || !this.alive(flow)) continue;
      flow.lastPacket = this.clock.now();
      for (const direction of ["received", "sent"] as const) this.counted.packet(flow.protocol, flow.route, direction);
      if (!flow.ignored) flow.group.lastPacket = this.clock.now();
    }
  }

  /** The clients of `group` close their flows, which takes packets. */
  hangUp(group: string): void {
    this.use(group);
    this.flows = this.flows.filter((flow) => flow.group.name !== group);
  }

  alive(flow: FakeFlow): boolean {
    return this.clock.now() - flow.lastPacket < flow.timeoutMs;
  }
}

function inside(ranges: readonly Range[], address: string): boolean {
  const { first } = parseCidr(address);
  return ranges.some((range) => range.first <= first && first <= range.last);
}
