import type { Clock } from "../clock/clock.ts";
import type { Ending, Route } from "../config/types.ts";
import { Fault } from "../fault/fault.ts";
import { type AddrPort, formatAddrPort, isWildcard, parseAddrPort, sameAddrPort } from "../value/addr-port.ts";
import { parseCidr } from "../value/cidr.ts";
import type { Log } from "../log/log.ts";
import type { Protocol } from "../value/protocol.ts";
import type { Dataplane, FlowSummary, Group, GroupSpec, Mapping, MappingCounters, MappingSpec, Needs } from "./dataplane.ts";
import { gateRanges, type Range } from "./gate-ranges.ts";
import { HoldRoom } from "./hold-room.ts";
import { MappingClaims } from "./mapping-claims.ts";
import { MappingHold } from "./mapping-hold.ts";

interface FakeFlow {
  group: FakeGroup;
  endpoint: AddrPort;
  timeoutMs: number;
  lastPacket: number;
  /** The idle clock does not see it. */
  ignored: boolean;
}

/** A client's first packet, on its way. */
interface FakePacket {
  mapping: FakeMapping;
  endpoint: AddrPort;
  readonly ignored: boolean;
  readonly answer: (outcome: string | undefined) => void;
}

/** Ports of clients, so that each is a flow of its own. */
const FIRST_CLIENT_PORT = 20_000;

/**
 * A dataplane in memory, with clients that tests make. Time is the clock's. Passes the contract suite. Wake limits are
 * the kernel's business and not modelled.
 */
export class FakeDataplane implements Dataplane {
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
  readonly #committed = new Gate();
  #state: "new" | "started" | "closed" = "new";
  #lastId = 0;

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
    if (this.#state !== "started") throw new Fault("DATAPLANE_CLOSED", "the dataplane is not running");
    const group = new FakeGroup(this, spec);
    this.groups.add(group);
    return group;
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
    await this.#fail();
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
    const packet: FakePacket = { mapping, endpoint: route.endpoint, ignored: gate === "ignored", answer };
    if (gate === "denied" || (gate === "ignored" && !group.active)) {
      mapping.gateCounters[gate]++;
      answer(undefined);
    } else if (group.active) this.#reach(packet);
    else if (mapping.spec.whenCold === "pass") answer(undefined);
    else this.#queue(packet, protocol, from, to);
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
        continue;
      }
      packet.mapping = taken.mapping;
      packet.endpoint = taken.route.endpoint;
      taken.mapping.hold.packet(held);
    }
  }

  #queue(packet: FakePacket, protocol: Protocol, from: string, destination: AddrPort): void {
    const id = ++this.#lastId;
    this.packets.set(id, packet);
    const source = parseAddrPort(
      from.includes(":") ? `[${from}]:${FIRST_CLIENT_PORT + id}` : `${from}:${FIRST_CLIENT_PORT + id}`,
    );
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

  #reach({ mapping, endpoint, ignored, answer }: FakePacket): void {
    const { group, spec } = mapping;
    this.flows.push({ group, endpoint, timeoutMs: spec.flowTimeoutMs, lastPacket: this.clock.now(), ignored });
    if (!ignored) group.lastPacket = this.clock.now();
    answer(formatAddrPort(endpoint));
  }

  /** A further packet on each flow of `group` that is alive. */
  traffic(group: string): void {
    for (const flow of this.flows) {
      if (flow.group.name !== group || !this.alive(flow)) continue;
      flow.lastPacket = this.clock.now();
      if (!flow.ignored) flow.group.lastPacket = this.clock.now();
    }
  }

  /** The clients of `group` close their flows, which takes packets. */
  hangUp(group: string): void {
    this.traffic(group);
    this.flows = this.flows.filter((flow) => flow.group.name !== group);
  }

  alive(flow: FakeFlow): boolean {
    return this.clock.now() - flow.lastPacket < flow.timeoutMs;
  }
}

/** What is waited for until it is open, or shut for good. */
class Gate {
  open: () => void = () => undefined;
  shut: (reason: Fault) => void = () => undefined;
  readonly opened = new Promise<void>((resolve, reject) => {
    this.open = resolve;
    this.shut = reject;
  });

  constructor() {
    // nobody may wait for it
    this.opened.catch(() => undefined);
  }
}

function inside(ranges: readonly Range[], address: string): boolean {
  const { first } = parseCidr(address);
  return ranges.some((range) => range.first <= first && first <= range.last);
}

class FakeGroup implements Group {
  readonly name: string;
  readonly #dataplane: FakeDataplane;
  readonly #mappings = new Set<FakeMapping>();
  active = false;
  /** Whether what is held is let go: said before the change is made. */
  #open = false;
  lastPacket: number | undefined;
  #closed = false;

  constructor(dataplane: FakeDataplane, spec: GroupSpec) {
    this.#dataplane = dataplane;
    this.name = spec.name;
  }

  taking(): FakeMapping[] {
    return [...this.#mappings].filter(({ hold }) => hold.taking);
  }

  async activate(): Promise<void> {
    this.#setOpen(true);
    try {
      await this.#change();
    } catch (error) {
      this.#setOpen(false);
      throw error;
    }
    this.active = true;
  }

  async deactivate(): Promise<void> {
    this.#setOpen(false);
    await this.#change();
    this.active = false;
  }

  #setOpen(open: boolean): void {
    this.#open = open;
    for (const { hold } of this.#mappings) {
      if (open) hold.open();
      else hold.shut();
    }
  }

  get held(): number {
    return [...this.#mappings].reduce((sum, { hold }) => sum + hold.size, 0);
  }

  refuseHeld(): void {
    for (const { hold } of this.#mappings) hold.refuse();
  }

  async cutFlows(): Promise<void> {
    await this.#change();
    this.#dataplane.flows = this.#dataplane.flows.filter(({ group }) => group !== this);
  }

  async quietFor(): Promise<number | undefined> {
    await this.#change();
    return this.lastPacket === undefined ? undefined : this.#dataplane.clock.now() - this.lastPacket;
  }

  async flows(): Promise<FlowSummary> {
    await this.#change();
    const alive = this.#dataplane.flows.filter((flow) => flow.group === this && !flow.ignored && this.#dataplane.alive(flow));
    const left = alive.map((flow) => flow.lastPacket + flow.timeoutMs - this.#dataplane.clock.now());
    return { count: alive.length, longestMs: Math.floor(Math.max(0, ...left) / 1000) * 1000 };
  }

  createMapping(spec: MappingSpec): Mapping {
    this.#refuseClosed();
    this.#dataplane.claims.claim(spec);
    const mapping = new FakeMapping(this.#dataplane, this, spec, () => this.#mappings.delete(mapping));
    if (this.#open) mapping.hold.open();
    this.#mappings.add(mapping);
    return mapping;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([...this.#mappings].map((mapping) => mapping.close()));
    this.active = false;
    this.#dataplane.groups.delete(this);
  }

  async #change(): Promise<void> {
    this.#refuseClosed();
    await this.#dataplane.change();
  }

  #refuseClosed(): void {
    if (this.#closed) throw new Fault("DATAPLANE_CLOSED", `the group "${this.name}" is closed`);
  }
}

class FakeMapping implements Mapping {
  readonly name: string;
  readonly spec: MappingSpec;
  readonly group: FakeGroup;
  readonly hold: MappingHold;
  readonly gateCounters = { denied: 0, ignored: 0, limited: 0 };
  enabled = false;
  readonly #dataplane: FakeDataplane;
  readonly #forget: () => void;
  #closing: Promise<void> | undefined;

  constructor(dataplane: FakeDataplane, group: FakeGroup, spec: MappingSpec, forget: () => void) {
    this.#dataplane = dataplane;
    this.name = spec.name;
    this.spec = spec;
    this.group = group;
    this.#forget = forget;
    const settle = (accepted: boolean) => (ids: readonly number[]) => {
      for (const id of ids) dataplane.settle(id, accepted);
    };
    const verdicts = { accept: settle(true), refuse: settle(false), drop: settle(false) };
    this.hold = new MappingHold(spec, dataplane.clock, dataplane.log, verdicts, dataplane.room);
  }

  get held(): number {
    return this.hold.size;
  }

  async counters(): Promise<MappingCounters> {
    await Promise.resolve();
    return { ...this.gateCounters, ...this.hold.counters };
  }

  async enable(): Promise<void> {
    this.hold.taking = true;
    try {
      await this.#change();
    } catch (error) {
      this.hold.taking = this.enabled;
      throw error;
    }
    this.hold.taking = this.enabled = true;
  }

  async disable(): Promise<void> {
    await this.#change();
    this.hold.taking = this.enabled = false;
    this.#dataplane.handOver(this);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#dataplane.claims.release(this.spec);
    await this.#dataplane.change();
    this.hold.taking = this.enabled = false;
    this.#dataplane.handOver(this);
    this.#forget();
  }

  async #change(): Promise<void> {
    if (this.#closing !== undefined) throw new Fault("DATAPLANE_CLOSED", `the mapping "${this.name}" is closed`);
    await this.#dataplane.change();
  }
}
