/**
 * Package netlink: packets that the kernel holds for the daemon to decide on (netfilter queues), a look at what is in nftables
 * (ruleset.ts), and the connections that the kernel knows (flows.ts); and, since no other package calls foreign functions, whether a pipe still has a reader (hang-up.ts).
 *
 * Owns the sockets on which the kernel is talked to, the form of the messages on them, and the reading of packet headers.
 * Must not know why a packet is held or what would let it go, and keeps no packets: they stay in the kernel. Does not know what should be
 * in nftables; of it, it changes elements of sets, since that is done while clients wait, and leaves all else to the nft program.
 */
import type { Fault } from "../fault/fault.ts";
import type { AddrPort } from "../value/addr-port.ts";
import type { Family, Protocol } from "../value/protocol.ts";

/** Where in its way through the kernel a packet was queued. */
export type Hook = "prerouting" | "input" | "forward" | "output" | "postrouting";

/** A packet that the kernel holds until it is told what to do with it. */
export interface QueuedPacket {
  /** Names the packet in a verdict; unique for as long as the queue is open (32 bits, counted upwards). */
  readonly id: number;
  readonly hook: Hook;
  /** EtherType: 0x0800 for IPv4, 0x86dd for IPv6. */
  readonly etherType: number;
  /** The packet's mark; 0 when it has none. */
  readonly mark: number;
  /** Index of the interface it came in by; undefined at the output hook. */
  readonly inputInterface: number | undefined;
  /** Index of the interface it is to leave by; undefined before routing. */
  readonly outputInterface: number | undefined;
  /** Its first bytes, from the IP header on, as many as the copy range. */
  readonly payload: Buffer;
  /** Length of the whole packet, in bytes. */
  readonly length: number;
}

export interface QueueOptions {
  /** Which queue of this network namespace: 0 to 65535. */
  readonly number: number;
  /** How many bytes of each packet to copy, from the IP header on (default 256: the longest usual headers). */
  readonly copyRange?: number;
  /** How many packets the kernel holds at most; further ones are dropped (default 16,384). */
  readonly maxLength?: number;
  /** Room for packets that are not yet read (default: as many as `maxLength`). Memory is only taken while they wait. */
  readonly receiveBufferBytes?: number;
  /**
   * A packet was queued; it waits until it is given a verdict, which may be at once. `payload` is valid only during the
   * call. Must not throw: that is an uncaught exception.
   */
  readonly onPacket: (packet: QueuedPacket) => void;
  /** `count` packets more were dropped by the kernel because they were not read fast enough. */
  readonly onOverrun: (count: number) => void;
  /** The queue has failed (QUEUE_FAILED) and is closed. Called at most once. */
  readonly onError: (fault: Fault) => void;
}

export interface QueueStats {
  /** Packets handed to `onPacket`. */
  readonly packets: number;
  /** Messages that could not be understood; their packets were dropped where they could be told. */
  readonly malformed: number;
  /** Packets dropped because the receive buffer was full. */
  readonly overruns: number;
  /** Verdicts that came after the kernel had given up the packet. */
  readonly gone: number;
  /** Packets that the kernel holds now. */
  readonly held: number;
  /** Packets dropped because `maxLength` were held. */
  readonly overflows: number;
}

/**
 * An open queue. The kernel gives up held packets by itself when the interface they came by goes down, and all of the
 * network namespace when any base chain is removed, whoever's it is: a verdict on such a packet, on one that has had its
 * verdict or after close() does nothing.
 */
export interface PacketQueue {
  /** Lets packets go on, as if they had just come. With `mark`, that is their whole mark from then on. */
  accept(ids: number | readonly number[], mark?: number): void;
  drop(ids: number | readonly number[]): void;
  stats(): QueueStats;
  /**
   * To be called now and then, seconds apart: the queue fails if packets wait as they did the last time, and none has been
   * read since. That is a queue which the event loop has lost sight of.
   */
  check(): void;
  /** The kernel drops what it still holds, and from then on all that is sent to this queue. Idempotent. */
  close(): void;
}

export type RulesetFamily = "inet" | "ip" | "ip6";

/** Something that a table has. */
export interface RulesetPart {
  readonly kind: "chain" | "rule" | "set" | "object" | "flowtable";
  /** Its name; of a rule, its chain's. */
  readonly name: string;
  /**
   * What the kernel says of it, without what changes by itself (uses, counters) or with each new making (handles). Only to
   * be compared with what the same kernel says; strings within are there byte by byte.
   */
  readonly identity: string;
}

/** An element of a set or map: bytes as the kernel has them, each part of a concatenation padded to four. */
export interface ElementContent {
  readonly key: Buffer | undefined;
  /** Where the set has intervals, the end of this one. */
  readonly keyEnd: Buffer | undefined;
  readonly value: Buffer | undefined;
  readonly verdict: { readonly code: number; readonly chain: string } | undefined;
  /** Undefined where the set counts nothing. */
  readonly counter: ElementCounter | undefined;
}

/** Bytes are as long as the packets are at the network layer, headers included. */
export interface ElementCounter {
  readonly packets: number;
  readonly bytes: number;
}

/** What the kernel has noted at an element, as packets come. */
export interface ElementState {
  /** How long it is still there; undefined where the set has no timeout. */
  readonly expiresMs: number | undefined;
  /** Undefined where the set counts nothing. */
  readonly packets: number | undefined;
  readonly bytes: number | undefined;
}

/** An element of a set that has no values, intervals or timeouts, by its key as in ElementContent. */
export interface ElementEdit {
  readonly add: boolean;
  readonly set: string;
  readonly key: Buffer;
}

/** What is in nftables, read without the nft program: some 100 µs for a table without its elements. */
export interface RulesetReader {
  /**
   * The number of the ruleset's generation: every transaction of this network namespace, whoever's it is, raises it by one.
   * @throws Fault RULESET_FAILED
   */
  generation(): number;
  /**
   * All parts of a table, rules in order; none if there is no such table. Questions are asked one after another.
   * @throws Fault RULESET_CHANGED (somebody changed it meanwhile: ask again), RULESET_FAILED
   */
  parts(family: RulesetFamily, table: string): Promise<RulesetPart[]>;
  /**
   * Calls `visit` for each element of a set of an inet table; its buffers are valid during the call only. As parts()
   * otherwise; after a failure, elements may be missing or have come twice.
   */
  elements(table: string, set: string, visit: (element: ElementContent) => void): Promise<void>;
  /**
   * One element of a set of an inet table, by its key as in ElementContent; undefined when it is not there. Its
   * cost does not grow with their number. @throws Fault RULESET_FAILED
   */
  element(table: string, set: string, key: Buffer): ElementState | undefined;
  /**
   * Changes sets of an inet table in one transaction: all of `edits`, at most 100, or none. To add what is there is no error; to
   * delete what is not there is one. It is done when this returns, at once, or when a transaction of somebody else that is under way has
   * ended. @throws Fault RULESET_FAILED; nothing changed then
   */
  edit(table: string, edits: readonly ElementEdit[]): void;
  /** Idempotent. */
  close(): void;
}

/** A TCP or UDP connection as the kernel knows it. */
export interface KernelFlow {
  readonly protocol: Protocol;
  /** The client. */
  readonly source: AddrPort;
  /** Where the client sent it. */
  readonly destination: AddrPort;
  /** Where the answers come from: the destination, unless that is translated. */
  readonly endpoint: AddrPort;
  /** TCP only, by conntrack(8)'s names, such as ESTABLISHED. */
  readonly state: string | undefined;
  /** How long it stays without packets; undefined while a flowtable forwards it. */
  readonly timeoutSeconds: number | undefined;
  readonly mark: number;
  readonly offloaded: boolean;
}

/** Which flows: of a family, and to an endpoint, if that is given. */
export interface FlowFilter {
  readonly family: Family;
  readonly protocol?: Protocol;
  /** Where the answers come from. */
  readonly replySource?: AddrPort;
}

/** The connections of this network namespace, read and deleted without the conntrack program. */
export interface FlowTable {
  /**
   * Calls `visit` for each flow of `filter`; one that begins or ends meanwhile may be among them. Cost: a walk of the kernel's
   * table, whatever the filter. @throws Fault FLOWS_FAILED
   */
  each(filter: FlowFilter, visit: (flow: KernelFlow) => void): Promise<void>;
  /**
   * Deletes those flows of `filter` that `which` takes, and gives how many; those that ended by themselves are none. All are tried.
   * @throws Fault FLOWS_FAILED where one could not be deleted (EBUSY: a flowtable has it)
   */
  delete(filter: FlowFilter, which: (flow: KernelFlow) => boolean): Promise<number>;
  /** Idempotent. */
  close(): void;
}
