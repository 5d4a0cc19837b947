/**
 * Package dataplane: what carries packets from clients to targets.
 *
 * Owns the interface between the state machines and the kernel, its in-memory fake (fake.ts), the nftables driver
 * (nft/) and the contract suite both must pass (contract.ts). Must not decide when a target is warm or idle: it does
 * as told, and answers questions about flows.
 *
 * Every method that changes something is one atomic transaction: it took effect whole, or it threw and nothing changed.
 * After close(), methods throw Fault DATAPLANE_CLOSED; close() itself is idempotent. What is asked for in one turn of the
 * event loop is one transaction; when that fails, each change is tried by itself.
 */
import type { EndpointConfig, Ending, GatesConfig, HoldConfig, Masquerade, Route, WhenCold } from "../config/types.ts";
import type { AddrPort } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";

export interface Dataplane {
  /**
   * Probes what is needed, makes sure that nobody else has the table, and opens the queue. Nothing of the packet path is
   * changed yet: what is created from now on comes into force with commit().
   * @throws Fault PLATFORM_UNSUPPORTED, PRIVILEGE_MISSING, TOOL_MISSING, NFT_TOO_OLD, KERNEL_UNSUPPORTED, TABLE_IN_USE,
   *   SYSCTL_NEEDED, HOLD_UNSUPPORTED, QUEUE_BUSY, FASTPATH_UNSUPPORTED; nothing is left behind then
   */
  start(needs: Needs, signal?: AbortSignal): Promise<void>;
  /**
   * Brings the table into force with all that it is to hold by now, in one transaction that also replaces what a dead
   * daemon left, and sets what the system needs. Changes asked for before take effect with it: their promises wait.
   * Called once. @throws Fault SYSCTL_FAILED, IPTABLES_FAILED, NFT_…, FLOWS_FAILED; to be closed then
   */
  commit(): Promise<void>;
  /**
   * Prepares for further needs; those of before stay. @throws Fault SYSCTL_NEEDED, HOLD_UNSUPPORTED, QUEUE_BUSY (nothing
   * changed then), SYSCTL_FAILED, NFT_…
   */
  adapt(needs: Needs): Promise<void>;
  /** A group without mappings, inactive. Its name is for messages. @throws Fault DATAPLANE_CLOSED */
  createGroup(spec: GroupSpec): Group;
  /**
   * Calls `visit` for every flow of the groups' endpoints that is alive, those included that do not count as use (`ignore`), in no
   * order. One look at all flows of the machine, however many groups there are. @throws Fault FLOWS_FAILED, of the idle clock
   */
  eachFlow(visit: (flow: Flow) => void): Promise<void>;
  /** What was counted by now. A few looks, however many groups there are. @throws Fault TRAFFIC_UNKNOWN */
  traffic(): Promise<Traffic>;
  /** From now on, `listener` is called after each transaction. It must not throw. Set once, before start(). */
  onTransaction(listener: TransactionListener): void;
  /** Puts right what others changed, as far as that is not noticed anyway. To be called now and then. */
  verify(): Promise<void>;
  /**
   * Removes the table and puts back what was changed. With "keep" all that is left for the next daemon, only the queue is
   * closed: packets for groups that are not active are dropped until then. Before commit() there is nothing to remove.
   */
  close(how?: Ending): Promise<void>;
}

/** Properties of a configuration that the system must be prepared for. */
export interface Needs {
  /** An IPv4 endpoint on 127.0.0.0/8 with clients elsewhere, or clients on 127.0.0.0/8 with an endpoint elsewhere. */
  readonly routeLocalnet: boolean;
  /** Targets that are not on this machine, by family. */
  readonly forwardIPv4: boolean;
  readonly forwardIPv6: boolean;
  /** Some frontend holds packets. */
  readonly hold: boolean;
}

export interface GroupSpec {
  /** The target's. */
  readonly name: string;
  readonly endpoints: readonly EndpointConfig[];
}

/** The endpoints of one target and the mappings that lead to them. */
export interface Group {
  readonly name: string;
  /** Lets new flows of every enabled mapping go to the endpoints, those that are held first and at once. Idempotent. */
  activate(): Promise<void>;
  /** New flows no longer go to the endpoints but what the mapping's `whenCold` says; flows that exist go on. Idempotent. */
  deactivate(): Promise<void>;
  /** Flows of its mappings that are held now. */
  readonly held: number;
  /** Refuses those: TCP reset, ICMP port unreachable. */
  refuseHeld(): void;
  /** Ends the flows of the endpoints: their conntrack entries are deleted. Idempotent. */
  cutFlows(): Promise<void>;
  /** Milliseconds since the last packet of any flow of the endpoints, in either direction; undefined: none was seen. */
  quietFor(): Promise<number | undefined>;
  /** The flows of the endpoints that are alive: not closed, not timed out. */
  flows(): Promise<FlowSummary>;
  /** A mapping, disabled. @throws Fault MAPPING_EXISTS (name), MAPPING_OVERLAPS (listen address taken by another mapping) */
  createMapping(spec: MappingSpec): Mapping;
  /** Deactivates, closes the group's mappings, forgets the endpoints, all at once. Idempotent. */
  close(): Promise<void>;
}

/** `error`: why it failed; nothing changed then, as far as is known. */
export type TransactionListener = (tookMs: number, error?: unknown) => void;

/** A flow that is alive. */
export interface Flow {
  readonly protocol: Protocol;
  readonly source: AddrPort;
  /** As the client sent it. */
  readonly destination: AddrPort;
  /** Where it goes; as `destination` where nothing was translated. */
  readonly endpoint: AddrPort;
  /** Of TCP, as conntrack calls it; undefined for a flow on the fast path. */
  readonly state: string | undefined;
  /** How long it lives without a packet, as far as is known. */
  readonly remainingMs: number;
  /** It does not count as use. */
  readonly ignored: boolean;
}

/** Packets are what the kernel takes for one: with offloading, up to 64 KiB that came together. */
export interface PacketCount {
  readonly packets: number;
  /** At the network layer, headers included. */
  readonly bytes: number;
}

/**
 * Counts since the table was made. They never go down: they outlive what takes elements out of the table, and its replacement,
 * but for what came since they were last read. Packets that take the fast path are not counted.
 */
export interface Traffic {
  /** Flows that began at a mapping's listen address and went to that endpoint. */
  began(protocol: Protocol, route: Route): number;
  /** Flows that began at any mapping and went to that endpoint. */
  beganTo(protocol: Protocol, endpoint: AddrPort): number;
  /** All of the endpoint's, also those of flows that came to it directly. */
  received(protocol: Protocol, endpoint: AddrPort): PacketCount;
  sent(protocol: Protocol, endpoint: AddrPort): PacketCount;
  /**
   * Of flows that came by that route. As long as no other mapping leads to its endpoint, or has led there since the flows were last
   * cut, all of the endpoint's: those that came to it directly are in there, and where a mapping has several routes to one
   * endpoint, one of them has what belongs to all.
   */
  receivedBy(protocol: Protocol, route: Route): PacketCount;
  sentBy(protocol: Protocol, route: Route): PacketCount;
}

export interface FlowSummary {
  readonly count: number;
  /** Longest remaining lifetime of one of them without further packets, in ms rounded down to the kernel's second; 0 if none. */
  readonly longestMs: number;
}

export interface MappingSpec {
  /** Unique; the frontend's name. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly routes: readonly Route[];
  /** How long a flow without packets stays alive. The kernel counts seconds: rounded up to the next one. */
  readonly flowTimeoutMs: number;
  readonly masquerade: Masquerade;
  readonly whenCold: WhenCold;
  readonly hold: HoldConfig;
  readonly gates: GatesConfig;
  /** Called for the first packet of each flow that is held. Must not throw. */
  readonly onHeld?: (flow: HeldFlow) => void;
  /** Called for each flow that is held no more, unless another mapping holds it from now on. Must not throw. */
  readonly onReleased?: ReleaseListener;
}

export interface HeldFlow {
  readonly source: AddrPort;
  /** It was another mapping's until now; onHeld was called there. */
  readonly handedOver: boolean;
}

/**
 * What became of a held flow: let go to the endpoint; refused, when told to or because its time was up; or dropped, by the
 * kernel or for want of room, or let go to where it goes without the mapping.
 */
export type ReleaseOutcome = "passed" | "refused" | "timed_out" | "dropped";

/** `heldMs`: with what mappings before this one held it. */
export type ReleaseListener = (source: AddrPort, outcome: ReleaseOutcome, heldMs: number) => void;

/** Since the mapping was enabled. */
export interface MappingCounters {
  /** Packets of new flows that a gate turned away: by `allow` and `deny`, by `ignore`, by `wakeLimit`. */
  readonly denied: number;
  readonly ignored: number;
  readonly limited: number;
  /** Flows that were held at all; of these, refused because their time was up; and packets dropped by `maxFlows`. */
  readonly held: number;
  readonly timedOut: number;
  readonly overflowed: number;
}

/** A frontend's listen addresses; leads to its group's endpoints while it is enabled and the group active. */
export interface Mapping {
  readonly name: string;
  /** Idempotent. */
  enable(): Promise<void>;
  /** New flows are no longer taken; flows that exist go on. Idempotent. */
  disable(): Promise<void>;
  /** Flows held now. */
  readonly held: number;
  /** As in counters(), at once. */
  readonly overflowed: number;
  counters(): Promise<MappingCounters>;
  /**
   * Disables. The name and the listen addresses are free as soon as this is called: when another mapping takes one in the same
   * turn, there is no moment between the two, and what is held goes over to it. Idempotent.
   */
  close(): Promise<void>;
}
