/** Packet filter rules as far as they can be told before a packet comes; nft-rules.ts and iptables-rules.ts read them. */
import type { Family } from "../value/protocol.ts";

/** First and last, both included. */
export type Range = readonly [bigint, bigint];

/** A condition of a rule. Values are alternatives; `negated`: none of them. */
export type Match =
  | { readonly on: "family" | "protocol" | "ct" | "iif" | "oif"; readonly values: readonly string[]; readonly negated: boolean }
  | { readonly on: "port"; readonly ranges: readonly Range[]; readonly negated: boolean }
  | { readonly on: "daddr"; readonly family: Family; readonly ranges: readonly Range[]; readonly negated: boolean }
  /** The destination is an address of this machine. */
  | { readonly on: "local"; readonly negated: boolean }
  /** Depends on who sends, and when. */
  | { readonly on: "client" }
  /** Could not be read. */
  | { readonly on: "unknown" }
  /** Never so for a first TCP or UDP packet of a client to one address. */
  | { readonly on: "never" };

export type Verdict =
  | { readonly kind: "accept" | "drop" | "return" }
  /** Another destination: dnat, redirect, tproxy. */
  | { readonly kind: "nat" }
  /** Another program decides, or what it comes to could not be read. */
  | { readonly kind: "unknown" }
  | { readonly kind: "jump" | "goto"; readonly chain: string };

export interface Rule {
  readonly matches: readonly Match[];
  /** undefined: the packet goes on to the next rule. */
  readonly verdict: Verdict | undefined;
  /** For people. */
  readonly text: string;
}

interface Base {
  readonly type: string;
  readonly hook: string;
  readonly priority: number;
  readonly policy: "accept" | "drop";
}

export interface Chain {
  readonly family: "inet" | "ip" | "ip6";
  readonly table: string;
  readonly name: string;
  /** In the kernel's legacy tables, which nft does not see. */
  readonly legacy: boolean;
  readonly base: Base | undefined;
  readonly rules: readonly Rule[];
}

/** The first packet of a flow, at a hook. What is undefined is not known. */
export interface Packet {
  readonly family: Family;
  readonly protocol: string;
  readonly daddr: bigint | undefined;
  readonly port: number | undefined;
  /** The destination is an address of this machine. */
  readonly isLocal: boolean;
  readonly iif: string | undefined;
  readonly oif: string | undefined;
  /** State and status of its connection, such as "new" and "dnat"; undefined before conntrack. */
  readonly ct: ReadonlySet<string> | undefined;
}

/** Why it cannot be told: it depends on who sends and when, or on what could not be read. */
export type Doubt = "client" | "unknown";

/** What may become of a packet in a chain, and by what rule. */
export interface Outcome {
  readonly kind: "accept" | "drop" | "nat" | "unknown";
  readonly by: string;
  /** undefined: it does, unless an earlier outcome that is in doubt comes first. */
  readonly doubt: Doubt | undefined;
}

export function sees(chain: Chain, family: Family): boolean {
  return chain.family === "inet" || chain.family === (family === "ipv4" ? "ip" : "ip6");
}
