import type { Clock } from "../clock/clock.ts";
import { Fault } from "../fault/fault.ts";
import { type AddrPort, formatAddrPort, isWildcard, sameAddrPort } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";
import type { Dataplane, FlowSummary, Group, GroupSpec, Mapping, MappingSpec, Needs } from "./dataplane.ts";
import { MappingClaims } from "./mapping-claims.ts";

interface FakeFlow {
  group: FakeGroup;
  endpoint: AddrPort;
  timeoutMs: number;
  lastPacket: number;
}

/** A dataplane in memory, with clients that tests make. Time is the clock's. Passes the contract suite. */
export class FakeDataplane implements Dataplane {
  readonly clock: Clock;
  readonly claims: MappingClaims;
  readonly groups = new Map<string, FakeGroup>();
  /** Alive or not; flows() tells. */
  flows: FakeFlow[] = [];
  /** When set, the next change fails with it. */
  nextFailure: Error | undefined;
  /** What start() was given. */
  needs: Needs | undefined;
  #state: "new" | "started" | "closed" = "new";

  constructor(clock: Clock, wildcardOverlap: "refuse" | "specific-wins" = "refuse") {
    this.clock = clock;
    this.claims = new MappingClaims(wildcardOverlap);
  }

  async start(needs: Needs): Promise<void> {
    this.needs = needs;
    await this.change();
    this.#state = "started";
  }

  async createGroup(spec: GroupSpec): Promise<Group> {
    if (this.#state !== "started") throw new Fault("DATAPLANE_CLOSED", "the dataplane is not running");
    if (this.groups.has(spec.name)) throw new Fault("GROUP_EXISTS", `there is a group "${spec.name}" already`);
    const group = new FakeGroup(this, spec);
    this.groups.set(spec.name, group);
    await this.change();
    return group;
  }

  close(): Promise<void> {
    this.#state = "closed";
    return Promise.resolve();
  }

  /** What every change begins with: it takes a moment, and fails when a test wants it to. */
  async change(): Promise<void> {
    await Promise.resolve();
    const failure = this.nextFailure;
    this.nextFailure = undefined;
    if (failure !== undefined) throw failure;
  }

  /** A client's first packet to `to`: the endpoint it reaches (text), or undefined when no mapping takes it. */
  send(protocol: Protocol, to: AddrPort): string | undefined {
    const routes = [...this.groups.values()].flatMap((group) =>
      group
        .installed()
        .flatMap(({ spec }) => (spec.protocol === protocol ? spec.routes.map((route) => ({ group, spec, route })) : [])),
    );
    const taken =
      routes.find(({ route }) => sameAddrPort(route.listen, to)) ??
      routes.find(({ route }) => isWildcard(route.listen) && route.listen.family === to.family && route.listen.port === to.port);
    if (taken === undefined) return undefined;
    const { group, spec, route } = taken;
    this.flows.push({ group, endpoint: route.endpoint, timeoutMs: spec.flowTimeoutMs, lastPacket: this.clock.now() });
    group.lastPacket = this.clock.now();
    return formatAddrPort(route.endpoint);
  }

  /** A further packet on each flow of `group` that is alive. */
  traffic(group: string): void {
    for (const flow of this.flows) {
      if (flow.group.name !== group || !this.alive(flow)) continue;
      flow.lastPacket = this.clock.now();
      flow.group.lastPacket = this.clock.now();
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

class FakeGroup implements Group {
  readonly name: string;
  readonly #dataplane: FakeDataplane;
  readonly #mappings = new Set<FakeMapping>();
  active = false;
  lastPacket: number | undefined;
  #closed = false;

  constructor(dataplane: FakeDataplane, spec: GroupSpec) {
    this.#dataplane = dataplane;
    this.name = spec.name;
  }

  installed(): FakeMapping[] {
    return [...this.#mappings].filter(({ enabled }) => this.active && enabled);
  }

  async activate(): Promise<void> {
    await this.#change();
    this.active = true;
  }

  async deactivate(): Promise<void> {
    await this.#change();
    this.active = false;
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
    const alive = this.#dataplane.flows.filter((flow) => flow.group === this && this.#dataplane.alive(flow));
    const left = alive.map((flow) => flow.lastPacket + flow.timeoutMs - this.#dataplane.clock.now());
    return { count: alive.length, longestMs: Math.floor(Math.max(0, ...left) / 1000) * 1000 };
  }

  createMapping(spec: MappingSpec): Mapping {
    this.#refuseClosed();
    this.#dataplane.claims.claim(spec);
    const mapping = new FakeMapping(this.#dataplane, spec, () => {
      this.#mappings.delete(mapping);
      this.#dataplane.claims.release(spec);
    });
    this.#mappings.add(mapping);
    return mapping;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#dataplane.change();
    this.active = false;
    for (const mapping of [...this.#mappings]) await mapping.close();
    this.#dataplane.groups.delete(this.name);
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
  enabled = false;
  readonly #dataplane: FakeDataplane;
  readonly #forget: () => void;
  #closed = false;

  constructor(dataplane: FakeDataplane, spec: MappingSpec, forget: () => void) {
    this.#dataplane = dataplane;
    this.name = spec.name;
    this.spec = spec;
    this.#forget = forget;
  }

  async enable(): Promise<void> {
    await this.#change();
    this.enabled = true;
  }

  async disable(): Promise<void> {
    await this.#change();
    this.enabled = false;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#dataplane.change();
    this.enabled = false;
    this.#forget();
  }

  async #change(): Promise<void> {
    if (this.#closed) throw new Fault("DATAPLANE_CLOSED", `the mapping "${this.name}" is closed`);
    await this.#dataplane.change();
  }
}
