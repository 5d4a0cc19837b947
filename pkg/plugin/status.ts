/** What the control socket and plugins are told of targets, frontends and flows. */
import type { FrontendState } from "../frontend/state.ts";
import type { TargetState } from "../target/state.ts";

export interface StatusQuery {
  /** Only these targets and frontends, and the frontends of these targets. */
  readonly names?: readonly string[];
  /** With `traffic`, which takes a look at every flow of the machine. */
  readonly traffic?: boolean;
}

/** What `proxygwctl status` prints; empty lists and empty errors are left out. */
export interface Status {
  closed: boolean;
  targets?: TargetStatus[];
  frontends?: FrontendStatus[];
}

export interface TargetStatus {
  name: string;
  kind: string;
  state: TargetState;
  /** When it came into that state (RFC 3339). */
  since: string;
  idle_timeout_ms: number;
  /**
   * While active: when it will be stopped if no packet comes (RFC 3339), as far as is known: packets since the daemon last looked,
   * which it does when this time has come, will move it. Left out while a frontend wants it up.
   */
  idle_due?: string;
  /** While active: the running frontends that want it up. */
  wanted_by?: string[];
  /** Since the daemon's start: times it became active on request, was drained, failed to start or ended by itself; left out when 0. */
  wakes?: number;
  drains?: number;
  failures?: number;
  /** Only when asked for. */
  traffic?: TrafficStatus;
  last_error?: string;
  /** When that was (RFC 3339). */
  last_error_at?: string;
  /** Who woke it last: which frontend and client, when, and how long it took until it was ready. */
  last_wake?: { reason: string; frontend?: string; source?: string; at: string; took_ms: number };
  /** `address` is the first one; `addresses` is there when there are two. */
  endpoints: { name: string; protocol: string; address: string; addresses?: string[] }[];
}

export interface FrontendStatus {
  name: string;
  kind: string;
  state: FrontendState;
  /** When it came into that state (RFC 3339). */
  since: string;
  /** Only when asked for. */
  traffic?: TrafficStatus;
  last_error?: string;
  /** When that was (RFC 3339). */
  last_error_at?: string;
  protocol: string;
  /** The first listen address; `listens` is there when there are more. */
  listen: string;
  listens?: string[];
  target_name: string;
  endpoint_name: string;
  /** Where its flows go: the endpoint address that belongs to `listen`; `proxyaddresses` goes with `listens`. */
  proxyaddress: string;
  proxyaddresses?: string[];
  /** Flows held now; left out when there are none. */
  holding?: number;
  /** Flows that were held since the start; of these, refused after `hold.timeout`; packets dropped because of `hold.max_flows`. */
  held?: number;
  timed_out?: number;
  overflowed?: number;
  /** Packets of new flows turned away by `allow` and `deny`, by `ignore`, by `wake_limit`; left out when there are none. */
  denied?: number;
  ignored?: number;
  limited?: number;
}

/**
 * By the kernel's counters, since the daemon's table was made: they go on through drains, reloads and whatever others do to the
 * table, and belong to addresses: a frontend or target that gets another address begins with what that has counted. Those of a target
 * are of all packets of its endpoints that pass here, probes and clients that came to it directly included, and so are those of a
 * frontend while no other one leads to its endpoint; those of frontends that share an endpoint are of each one's own flows. Bytes are as
 * at the network layer, headers included. A packet is what the kernel handles as one: with offloading, up to 64 KiB that came together.
 * What takes the fast path (`dataplane.fastpath`) is not counted.
 */
export interface TrafficStatus {
  /** Alive now: not closed, not timed out; also those that do not keep the target awake (`ignore`). */
  flows: number;
  /** Flows begun, by way of frontends. */
  connections: number;
  /** From clients. */
  packets_in: number;
  bytes_in: number;
  /** To clients. */
  packets_out: number;
  bytes_out: number;
}

/** A flow that is alive, as conntrack has it. */
export interface FlowStatus {
  target: string;
  /** Left out when the flow came to the endpoint directly, or its frontend is no more. */
  frontend?: string;
  endpoint: string;
  protocol: string;
  /** The client's address and port. */
  source: string;
  /** The address that the client used. */
  listen: string;
  /** Where it goes. */
  endpoint_address: string;
  /** Of TCP, as conntrack calls it: ESTABLISHED, SYN_SENT, ... */
  state?: string;
  /** How long it stays alive without a packet. */
  expires_in_s: number;
  /** Its client is in `ignore`: it does not keep the target awake. */
  ignored?: true;
}
