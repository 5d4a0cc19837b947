import { Fault } from "../fault/fault.ts";
import type { FlowSummary, Group, GroupSpec, Mapping, MappingCounters, MappingSpec } from "./dataplane.ts";
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import type { Route } from "../config/types.ts";
import type { AddrPort } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";
import type { HoldRoom } from "./hold-room.ts";
import type { MappingClaims } from "./mapping-claims.ts";
import { MappingHold } from "./mapping-hold.ts";

/** Between whom. */
export interface FakeWay {
  readonly protocol: Protocol;
  readonly source: AddrPort;
  readonly destination: AddrPort;
}

export interface FakeFlow extends FakeWay {
  group: FakeGroup;
  readonly route: Route;
  timeoutMs: number;
  lastPacket: number;
  /** The idle clock does not see it. */
  ignored: boolean;
}

/** What groups share: the dataplane in memory. */
export interface FakeOwner {
  readonly clock: Clock;
  readonly log: Log;
  readonly room: HoldRoom;
  readonly claims: MappingClaims;
  readonly groups: Set<FakeGroup>;
  flows: FakeFlow[];
  alive(flow: FakeFlow): boolean;
  /** What every change begins with. */
  change(): Promise<void>;
  /** The verdict on a queued packet. */
  settle(id: number, accepted: boolean): void;
  handOver(from: FakeMapping): void;
}

/** The group of FakeDataplane, and its mappings. */
export class FakeGroup implements Group {
  readonly name: string;
  readonly #dataplane: FakeOwner;
  readonly #mappings = new Set<FakeMapping>();
  active = false;
  /** Whether what is held is let go: said before the change is made. */
  #open = false;
  lastPacket: number | undefined;
  #closed = false;

  constructor(dataplane: FakeOwner, spec: GroupSpec) {
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

export class FakeMapping implements Mapping {
  readonly name: string;
  readonly spec: MappingSpec;
  readonly group: FakeGroup;
  readonly hold: MappingHold;
  readonly gateCounters = { denied: 0, ignored: 0, limited: 0 };
  enabled = false;
  readonly #dataplane: FakeOwner;
  readonly #forget: () => void;
  #closing: Promise<void> | undefined;

  constructor(dataplane: FakeOwner, group: FakeGroup, spec: MappingSpec, forget: () => void) {
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

  get overflowed(): number {
    return this.hold.counters.overflowed;
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
