import { Fault } from "../../fault/fault.ts";
import type { AddrPort } from "../../value/addr-port.ts";
import type { Protocol } from "../../value/protocol.ts";
import type { FlowSummary, Group, GroupSpec, Mapping, MappingSpec } from "../dataplane.ts";
import type { MappingClaims } from "../mapping-claims.ts";
import type { Conntrack } from "./conntrack.ts";
import { addLine, clockSet, deleteLine, endpointElements, endpointKey, mappingElements } from "./elements.ts";
import type { Nft } from "./nft.ts";
import { CLOCK_TIMEOUT_MS } from "./ruleset.ts";
import type { TableContent } from "./table-content.ts";
import type { Transactor } from "./transactor.ts";

/** What a group shares with the driver and its siblings. */
export interface GroupShare {
  readonly table: string;
  readonly claims: MappingClaims;
  readonly nft: Nft;
  readonly conntrack: Conntrack;
  readonly transactor: Transactor;
  readonly content: TableContent;
  readonly onClose: () => void;
}

export class NftGroup implements Group {
  readonly name: string;
  readonly #spec: GroupSpec;
  readonly #share: GroupShare;
  readonly #mappings = new Set<NftMapping>();
  #active = false;
  #closed = false;

  constructor(spec: GroupSpec, share: GroupShare) {
    this.name = spec.name;
    this.#spec = spec;
    this.#share = share;
  }

  /** Makes the endpoints known to the idle clock. */
  open(): Promise<void> {
    const elements = endpointElements(this.#spec.endpoints);
    const { content } = this.#share;
    return this.#share.transactor.submit(
      () => ({ lines: content.use(elements), undo: () => content.unuse(elements) }),
      `add the endpoints of "${this.name}"`,
    );
  }

  async activate(): Promise<void> {
    this.#refuseClosed();
    await this.#setActive(true);
  }

  async deactivate(): Promise<void> {
    this.#refuseClosed();
    await this.#setActive(false);
  }

  #setActive(active: boolean): Promise<void> {
    return this.#share.transactor.submit(
      () => {
        if (this.#active === active) return { lines: [], undo: () => undefined };
        const before = this.#installed();
        this.#active = active;
        return { lines: this.#difference(before), undo: () => (this.#active = !active) };
      },
      `${active ? "add" : "remove"} the mappings of "${this.name}"`,
    );
  }

  async cutFlows(): Promise<void> {
    this.#refuseClosed();
    await Promise.all(this.#addresses().map(({ protocol, address }) => this.#share.conntrack.cut(protocol, address)));
  }

  async quietFor(): Promise<number | undefined> {
    this.#refuseClosed();
    const left = await Promise.all(
      this.#addresses().map(({ protocol, address }) =>
        this.#share.nft.expires(this.#share.table, clockSet(address), endpointKey(protocol, address)),
      ),
    );
    const seen = left.filter((each) => each !== undefined);
    return seen.length === 0 ? undefined : Math.max(0, CLOCK_TIMEOUT_MS - Math.max(...seen));
  }

  async flows(): Promise<FlowSummary> {
    this.#refuseClosed();
    const each = await Promise.all(
      this.#addresses().map(({ protocol, address }) => this.#share.conntrack.aliveFlows(protocol, address)),
    );
    return {
      count: each.reduce((sum, { count }) => sum + count, 0),
      longestMs: Math.max(0, ...each.map(({ longestMs }) => longestMs)),
    };
  }

  createMapping(spec: MappingSpec): Mapping {
    this.#refuseClosed();
    this.#share.claims.claim(spec);
    const mapping: NftMapping = new NftMapping(spec, {
      setEnabled: (enabled) => this.#setEnabled(mapping, enabled),
      forget: () => {
        this.#mappings.delete(mapping);
        this.#share.claims.release(spec);
      },
    });
    this.#mappings.add(mapping);
    return mapping;
  }

  #setEnabled(mapping: NftMapping, enabled: boolean): Promise<void> {
    return this.#share.transactor.submit(
      () => {
        if (mapping.enabled === enabled) return { lines: [], undo: () => undefined };
        const before = this.#installed();
        const timeout = enabled ? this.#share.content.needTimeout(mapping.spec.flowTimeoutMs) : undefined;
        mapping.enabled = enabled;
        return {
          lines: [...(timeout?.lines ?? []), ...this.#difference(before)],
          undo: () => {
            mapping.enabled = !enabled;
            timeout?.undo();
          },
        };
      },
      `${enabled ? "add" : "remove"} the mapping "${mapping.name}"`,
    );
  }

  /** The mappings whose elements are in the table. */
  #installed(): ReadonlySet<NftMapping> {
    return new Set([...this.#mappings].filter(({ enabled }) => this.#active && enabled));
  }

  #difference(before: ReadonlySet<NftMapping>): string[] {
    const { table } = this.#share;
    const after = this.#installed();
    const gone = [...before].filter((each) => !after.has(each));
    const come = [...after].filter((each) => !before.has(each));
    return [
      ...gone.flatMap(({ spec }) => mappingElements(spec).map((element) => deleteLine(table, element))),
      ...come.flatMap(({ spec }) => mappingElements(spec).map((element) => addLine(table, element))),
    ];
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#setActive(false);
    for (const mapping of [...this.#mappings]) await mapping.close();
    const elements = endpointElements(this.#spec.endpoints);
    const { content } = this.#share;
    await this.#share.transactor.submit(
      () => ({ lines: content.unuse(elements), undo: () => content.use(elements) }),
      `remove the endpoints of "${this.name}"`,
    );
    this.#share.onClose();
  }

  #addresses(): { readonly protocol: Protocol; readonly address: AddrPort }[] {
    return this.#spec.endpoints.flatMap(({ protocol, addresses }) => addresses.map((address) => ({ protocol, address })));
  }

  #refuseClosed(): void {
    if (this.#closed) throw new Fault("DATAPLANE_CLOSED", `the group "${this.name}" is closed`);
  }
}

interface MappingOwner {
  setEnabled(enabled: boolean): Promise<void>;
  forget(): void;
}

class NftMapping implements Mapping {
  readonly name: string;
  readonly spec: MappingSpec;
  /** Written by the group only, when the transaction's turn comes. */
  enabled = false;
  readonly #owner: MappingOwner;
  #closed = false;

  constructor(spec: MappingSpec, owner: MappingOwner) {
    this.name = spec.name;
    this.spec = spec;
    this.#owner = owner;
  }

  async enable(): Promise<void> {
    this.#refuseClosed();
    await this.#owner.setEnabled(true);
  }

  async disable(): Promise<void> {
    this.#refuseClosed();
    await this.#owner.setEnabled(false);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#owner.setEnabled(false);
    this.#owner.forget();
  }

  #refuseClosed(): void {
    if (this.#closed) throw new Fault("DATAPLANE_CLOSED", `the mapping "${this.name}" is closed`);
  }
}
