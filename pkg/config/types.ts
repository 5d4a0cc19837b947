/**
 * The configuration as the rest of the program sees it: resolved, every default filled in, every reference checked.
 * Only pkg/config makes these; durations are milliseconds.
 */
import type { AddrPort } from "../value/addr-port.ts";
import type { Cidr } from "../value/cidr.ts";
import type { Protocol } from "../value/protocol.ts";

export interface Config {
  readonly log: LogConfig;
  readonly dataplane: DataplaneConfig;
  /** Directory for what must outlive the process: command output, saved sysctls. Made when missing. */
  readonly runtimeDir: string;
  readonly onShutdown: Ending;
  /** Per-plugin configuration by namespace, checked against the plugin's schema; no entry: none was given. */
  readonly plugins: ReadonlyMap<string, unknown>;
  readonly targets: readonly TargetConfig[];
  readonly frontends: readonly FrontendConfig[];
}

/** At the daemon's end: services stopped and nothing left behind, or all left for the next start to take over. */
export type Ending = "stop" | "keep";

export interface LogConfig {
  /** `stdout`, `stderr`, or the path of a file. */
  readonly output: string;
  /** Least severity that is written, on the scale of Go's log/slog: DEBUG -4, INFO 0, WARN 4, ERROR 8. */
  readonly level: number;
  readonly format: "text" | "json";
}

/** Bits of the packet mark and of the conntrack mark that this daemon uses; each is one bit, of its own. */
export interface DataplaneMarks {
  /** Packet mark: the flow needs masquerade. */
  readonly masquerade: number;
  /** Packet mark: on its way to the queue, where the kernel has no queue statement. */
  readonly queue: number;
  /** Packet mark: to be refused. */
  readonly refuse: number;
  /** Conntrack mark: the idle clock does not count this flow. */
  readonly ignore: number;
}

export interface DataplaneConfig {
  /** Name of the nft table (family inet) that this daemon owns. */
  readonly table: string;
  /** Number of the netfilter queue that held packets go to. */
  readonly queue: number;
  readonly marks: DataplaneMarks;
  /** false: a sysctl that is needed and not set is an error that names the command. */
  readonly manageSysctls: boolean;
  /** What to do with two frontends of which one listens on a wildcard and the other on an address of the same port. */
  readonly wildcardOverlap: "refuse" | "specific-wins";
  /** Whether the kernel forwards established flows by a flowtable; `auto`: where it has them. */
  readonly fastpath: "off" | "auto" | "on";
}

/** `namespace:name` of a kind. */
export interface KindReference {
  readonly namespace: string;
  readonly name: string;
}

export interface EndpointConfig {
  readonly name: string;
  readonly protocol: Protocol;
  /** One or two: at most one of each family. */
  readonly addresses: readonly AddrPort[];
}

/** When a target that was started counts as ready: all its endpoints must pass. */
export interface ReadyConfig {
  readonly probe: ReadyProbe;
  /** Not ready within this time: the start has failed. */
  readonly timeoutMs: number;
}

export type ReadyProbe =
  /** As soon as it is started. */
  | { readonly kind: "none" }
  /** Its TCP endpoints accept connections. */
  | { readonly kind: "tcp" }
  /** Its TCP endpoints answer GET `path` with a status of 200 to 399. */
  | { readonly kind: "http"; readonly path: string }
  /** `/bin/sh -c command` exits with 0. */
  | { readonly kind: "command"; readonly command: string };

export interface TargetConfig {
  readonly name: string;
  readonly kind: KindReference;
  readonly idleTimeoutMs: number;
  readonly ready: ReadyConfig;
  readonly endpoints: readonly EndpointConfig[];
  /** Checked against the kind's schema, defaults filled in. */
  readonly options: unknown;
}

export type Masquerade = "auto" | "always" | "never";

/** One listen address and the endpoint address of the same family that its flows go to. */
export interface Route {
  readonly listen: AddrPort;
  readonly endpoint: AddrPort;
}

/**
 * What happens to new flows while the target is not active: `hold` keeps their packets in the kernel; `pass` leaves them
 * to the machine itself, as if there were no mapping; `refuse` answers them so.
 */
export type WhenCold = "hold" | "pass" | "refuse";

/** How packets of new flows wait while the target is not active. */
export interface HoldConfig {
  /** How long a flow is held before it is refused. */
  readonly timeoutMs: number;
  /** Flows held at once; further ones are dropped, so that TCP tries again. */
  readonly maxFlows: number;
}

/** Who may reach a frontend, and who may wake its target. Empty lists: everybody. */
export interface GatesConfig {
  /** If there are any of a client's family or the other: only these may reach the frontend. */
  readonly allow: readonly Cidr[];
  /** These may not, whatever `allow` says. */
  readonly deny: readonly Cidr[];
  /** Served while the target is active, refused while it is not, and never counted by the idle clock. */
  readonly ignore: readonly Cidr[];
  readonly wakeLimit?: WakeLimit;
}

/** New flows per source address while the target is not active; a bucket that holds `count` and refills in `perMs`. */
export interface WakeLimit {
  readonly count: number;
  readonly perMs: number;
}

export interface FrontendConfig {
  readonly name: string;
  readonly kind: KindReference;
  readonly protocol: Protocol;
  /** At least one, in the order of the file. */
  readonly routes: readonly Route[];
  readonly flowTimeoutMs: number;
  readonly masquerade: Masquerade;
  /** Declared by the kind: what happens to new flows while the target is not active. */
  readonly whenCold: WhenCold;
  readonly hold: HoldConfig;
  readonly gates: GatesConfig;
  /** Names of the target and of its endpoint. */
  readonly target: string;
  readonly endpoint: string;
  /** Checked against the kind's schema, defaults filled in. */
  readonly options: unknown;
}
