import { Fault } from "../../fault/fault.ts";
import { type AddrPort, sameAddrPort } from "../../value/addr-port.ts";
import type { Protocol } from "../../value/protocol.ts";
import type { FlowSummary, Group, GroupSpec, Mapping, MappingCounters, MappingSpec } from "../dataplane.ts";
import type { MappingClaims } from "../mapping-claims.ts";
import type { MappingHold } from "../mapping-hold.ts";
import type { Conntrack, FastFlows, FlowEndpoint } from "./conntrack.ts";
import type { ElementStates } from "./element-states.ts";
import type { EndpointCounters } from "./endpoint-counters.ts";
import { clockSet, type Element, endpointElements, mappingElements, timeoutSeconds } from "./elements.ts";
import { isFast } from "./fast-path.ts";
import type { GateCounters, GateCounts } from "./gate-counters.ts";
import type { HoldQueue } from "./hold-queue.ts";
import { keyText, SPECIFIC } from "./key.ts";
import { CLOCK_TIMEOUT_MS } from "./ruleset.ts";
import type { TableContent } from "./table-content.ts";
import { type Change, type Prepared, together, type Transactor } from "./transactor.ts";

/** What all groups share with the driver: one for all, since they are made by the ten thousand. */
export interface GroupShare {
  readonly table: string;
  readonly claims: MappingClaims;
  readonly states: ElementStates;
  readonly conntrack: Conntrack;
  readonly transactor: Transactor;
  readonly content: TableContent;
  readonly queue: HoldQueue;
  readonly gateCounters: GateCounters;
  readonly endpointCounters: EndpointCounters;
  /** With a fast path: how long a flow of it may live without packets. */
  readonly longestFastMs: number | undefined;
  /** How long the idle clock has counted by now. */
  countedForMs(): number;
  /** It is closed. */
  forget(group: NftGroup): void;
}

/** What decides what a group has in the table. */
interface Shown {
  readonly present: boolean;
  readonly active: boolean;
  readonly enabled: readonly NftMapping[];
}

export class NftGroup implements Group, MappingOwner {
  readonly name: string;
  readonly #spec: GroupSpec;
  readonly #share: GroupShare;
  /** Of thousands of groups, nearly all have one. */
  #mappings: readonly NftMapping[] = [];
  /** As the table has it, or will when the changes under way are done. */
  #active = false;
  /** Whether what comes to the queue is let go; said at once, where #active waits for the transaction's turn. */
  #open = false;
  /** Whether the endpoints are in the table, likewise. */
  #present = false;
  #closed = false;

  constructor(spec: GroupSpec, share: GroupShare) {
    this.name = spec.name;
    this.#spec = spec;
    this.#share = share;
  }

  /** Makes the endpoints known to the idle clock. Never fails: the next change brings them all the same, and tells. */
  async open(): Promise<void> {
    await this.#change(`add the endpoints of "${this.name}"`, () => () => undefined).catch(() => undefined);
  }

  async activate(): Promise<void> {
    this.#refuseClosed();
    // what is held goes on at once: its way is in the table already
    this.#setOpen(true);
    try {
      await this.#setActive(true);
    } catch (error) {
      this.#setOpen(false);
      throw error;
    }
  }

  async deactivate(): Promise<void> {
    this.#refuseClosed();
    this.#setOpen(false);
    await this.#setActive(false);
  }

  #setOpen(open: boolean): void {
    this.#open = open;
    for (const { hold } of this.#mappings) {
      if (open) hold.open();
      else hold.shut();
    }
  }

  #setActive(active: boolean): Promise<void> {
    return this.#change(`${active ? "open" : "shut"} the mappings of "${this.name}"`, () => {
      const former = this.#active;
      this.#active = active;
      return () => {
        this.#active = former;
      };
    });
  }

  get held(): number {
    return this.#mappings.reduce((sum, { hold }) => sum + hold.size, 0);
  }

  refuseHeld(): void {
    for (const { hold } of this.#mappings) hold.refuse();
  }

  async cutFlows(): Promise<void> {
    this.#refuseClosed();
    await Promise.all(this.#addresses().map(({ protocol, address }) => this.#share.conntrack.cut(protocol, address)));
    this.#share.endpointCounters.cut(this.#spec.endpoints);
  }

  async quietFor(): Promise<number | undefined> {
    this.#refuseClosed();
    const each = await Promise.all(this.#addresses().map(({ protocol, address }) => this.#quietFor(protocol, address)));
    const seen = each.filter((ms) => ms !== undefined);
    return seen.length === 0 ? undefined : Math.min(...seen);
  }

  async #quietFor(protocol: Protocol, address: AddrPort): Promise<number | undefined> {
    const left = await this.#share.states.expires(clockSet(address), protocol, address);
    return left === undefined ? undefined : Math.max(0, CLOCK_TIMEOUT_MS - left);
  }

  async flows(): Promise<FlowSummary> {
    this.#refuseClosed();
    const each = await Promise.all(
      this.flowEndpoints().map(({ protocol, address, fast }) => this.#share.conntrack.aliveFlows(protocol, address, fast)),
    );
    return {
      count: each.reduce((sum, { count }) => sum + count, 0),
      longestMs: Math.max(0, ...each.map(({ longestMs }) => longestMs)),
    };
  }

  /** Where its flows go. */
  flowEndpoints(): FlowEndpoint[] {
    if (this.#share.longestFastMs === undefined) return this.#addresses().map((each) => ({ ...each, fast: undefined }));
    // of mappings that were disabled, flows go on
    const mappings = this.#enabled().length > 0 ? this.#enabled() : this.#mappings;
    return this.#addresses().map((each) => ({ ...each, fast: this.#fastFlows(each.protocol, each.address, mappings) }));
  }

  createMapping(spec: MappingSpec): Mapping {
    this.#refuseClosed();
    this.#share.claims.claim(spec);
    this.#share.endpointCounters.lead(spec);
    const hold = this.#share.queue.register(spec);
    if (this.#open) hold.open();
    const mapping = new NftMapping(spec, hold, this);
    this.#mappings = this.#mappings.concat(mapping);
    return mapping;
  }

  setEnabled(mapping: NftMapping, enabled: boolean): Promise<void> {
    return this.#change(`${enabled ? "add" : "remove"} the mapping "${mapping.name}"`, () => {
      const former = mapping.enabled;
      mapping.enabled = enabled;
      return () => {
        mapping.enabled = former;
      };
    });
  }

  cutUntranslated({ spec }: NftMapping): Promise<void> {
    return this.#share.conntrack.cutUntranslated(spec.routes.map(({ listen }) => listen));
  }

  gateCounts({ spec }: NftMapping): Promise<GateCounts> {
    return this.#share.gateCounters.of(spec);
  }

  handOver({ hold }: NftMapping): void {
    this.#share.queue.handOver(hold);
  }

  release({ spec }: NftMapping): void {
    this.#share.claims.release(spec);
    this.#share.endpointCounters.leave(spec);
  }

  forget(mapping: NftMapping): void {
    this.#mappings = this.#mappings.filter((each) => each !== mapping);
    this.#share.queue.unregister(mapping.spec, mapping.hold);
  }

  /** Lets `alter` change what should be in the table, and brings the table there. `alter` returns its own undo. */
  #change(doing: string, alter: () => () => void): Promise<void> {
    const change: Change = () => {
      const before = this.#shown();
      const wasPresent = this.#present;
      this.#present = true;
      const undoAlter = alter();
      const undo = (): void => {
        undoAlter();
        this.#present = wasPresent;
      };
      const after = this.#shown();
      const { content } = this.#share;
      const needs = after.enabled.flatMap(({ spec }) => [content.needChains(spec), content.needExact(spec)]);
      const users = Number(this.#present) - Number(wasPresent);
      const counters = this.#share.endpointCounters.place(this.#spec.endpoints, users);
      const elements = content.replace(this.#elements(before, after), this.#elements(after, before));
      return together([{ undo, lines: this.#forgetCounted(elements) }, ...needs, counters, elements]);
    };
    return this.#share.transactor.submit(change, doing);
  }

  /** Whoever comes anew from the same port is to be counted anew by wake limits: each time that something changes, the flows counted are forgotten. */
  #forgetCounted({ deleted = [], added = [] }: Prepared): string[] {
    const limited = this.#mappings.some(({ spec }) => spec.gates.wakeLimit !== undefined);
    if (!limited || this.#active || deleted.length + added.length === 0) return [];
    return Object.values(SPECIFIC).map(({ suffix }) => `flush set inet ${this.#share.table} counted${suffix}`);
  }

  #shown(): Shown {
    return { present: this.#present, active: this.#active, enabled: this.#enabled() };
  }

  /** What it should have in the table when it is so, but for what `other` has as well. Mappings are many: most of them stay as they are. */
  #elements(shown: Shown, other: Shown): Element[] {
    const { present, active, enabled } = shown;
    const changed = active === other.active ? enabled.filter((each) => !other.enabled.includes(each)) : enabled;
    return [
      ...(present && !other.present ? endpointElements(this.#spec.endpoints) : []),
      ...(present ? this.#fastElements(enabled) : []),
      ...changed.flatMap(({ spec }) => mappingElements(spec, active)),
    ];
  }

  #enabled(): NftMapping[] {
    return this.#mappings.filter(({ enabled }) => enabled);
  }

  #fastElements(enabled: readonly NftMapping[]): Element[] {
    if (this.#share.longestFastMs === undefined) return [];
    return this.#addresses()
      .filter(({ protocol, address }) => this.#fastFlows(protocol, address, enabled) !== undefined)
      .map(({ protocol, address }) => ({ set: `fast${SPECIFIC[address.family].suffix}`, key: keyText(protocol, address) }));
  }

  /** Undefined: not all of the endpoint's flows may take the fast path, so none does. */
  #fastFlows(protocol: Protocol, address: AddrPort, mappings: readonly NftMapping[]): FastFlows | undefined {
    const longestMs = this.#share.longestFastMs;
    const leading = mappings
      .map(({ spec }) => spec)
      .filter((spec) => spec.protocol === protocol && spec.routes.some(({ endpoint }) => sameAddrPort(endpoint, address)));
    if (longestMs === undefined || leading.length === 0 || !leading.every((spec) => isFast(spec, longestMs))) return undefined;
    return {
      timeoutMs: Math.max(...leading.map(({ flowTimeoutMs }) => timeoutSeconds(flowTimeoutMs))) * 1000,
      quietFor: async () => (await this.#quietFor(protocol, address)) ?? this.#share.countedForMs(),
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const mappings = this.#mappings.map((mapping) => mapping.close());
    const endpoints = this.#change(`remove the endpoints of "${this.name}"`, () => {
      this.#present = false;
      return () => undefined;
    });
    this.#share.forget(this);
    await Promise.all([...mappings, endpoints]);
  }

  #addresses(): { readonly protocol: Protocol; readonly address: AddrPort }[] {
    return this.#spec.endpoints.flatMap(({ protocol, addresses }) => addresses.map((address) => ({ protocol, address })));
  }

  #refuseClosed(): void {
    if (this.#closed) throw new Fault("DATAPLANE_CLOSED", `the group "${this.name}" is closed`);
  }
}

/** A mapping's group, as the mapping sees it. */
interface MappingOwner {
  setEnabled(mapping: NftMapping, enabled: boolean): Promise<void>;
  /** Ends flows to its listen addresses that began before it, and so are not translated. */
  cutUntranslated(mapping: NftMapping): Promise<void>;
  gateCounts(mapping: NftMapping): Promise<GateCounts>;
  /** What is held goes to whoever has the listen addresses now. */
  handOver(mapping: NftMapping): void;
  /** The listen addresses may be claimed by others. */
  release(mapping: NftMapping): void;
  forget(mapping: NftMapping): void;
}

class NftMapping implements Mapping {
  readonly name: string;
  readonly spec: MappingSpec;
  readonly hold: MappingHold;
  /** Written by the group only, when the transaction's turn comes. */
  enabled = false;
  readonly #owner: MappingOwner;
  #closing: Promise<void> | undefined;

  constructor(spec: MappingSpec, hold: MappingHold, owner: MappingOwner) {
    this.name = spec.name;
    this.spec = spec;
    this.hold = hold;
    this.#owner = owner;
  }

  get held(): number {
    return this.hold.size;
  }

  async enable(): Promise<void> {
    this.#refuseClosed();
    this.hold.taking = true;
    try {
      await this.#owner.setEnabled(this, true);
      // a disable() before it may have ended in between
      this.hold.taking = true;
    } catch (error) {
      this.hold.taking = this.enabled;
      throw error;
    }
    if (this.spec.protocol !== "udp") return;
    try {
      await this.#owner.cutUntranslated(this);
    } catch (error) {
      await this.#disable();
      throw error;
    }
  }

  async disable(): Promise<void> {
    this.#refuseClosed();
    await this.#disable();
  }

  /** What is held goes wherever it would go without the mapping. */
  async #disable(): Promise<void> {
    await this.#owner.setEnabled(this, false);
    this.hold.taking = false;
    this.#owner.handOver(this);
  }

  get overflowed(): number {
    return this.hold.counters.overflowed;
  }

  async counters(): Promise<MappingCounters> {
    this.#refuseClosed();
    return { ...(await this.#owner.gateCounts(this)), ...this.hold.counters };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#owner.release(this);
    await this.#disable();
    this.#owner.forget(this);
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw new Fault("DATAPLANE_CLOSED", `the mapping "${this.name}" is closed`);
  }
}
