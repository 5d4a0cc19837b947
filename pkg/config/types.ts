/**
 * The configuration as the rest of the program sees it: resolved, every default filled in, every reference checked.
 * Only pkg/config makes these; durations are milliseconds.
 */
import type { AddrPort } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";

export interface Config {
  readonly log: LogConfig;
  readonly dataplane: DataplaneConfig;
  /** Directory for what must outlive the process: command output, saved sysctls. Made when missing. */
  readonly runtimeDir: string;
  /** Per-plugin configuration by namespace, checked against the plugin's schema; no entry: none was given. */
  readonly plugins: ReadonlyMap<string, unknown>;
  readonly targets: readonly TargetConfig[];
  readonly frontends: readonly FrontendConfig[];
}

export interface LogConfig {
  /** `stdout`, `stderr`, or the path of a file. */
  readonly output: string;
  /** Least severity that is written, on the scale of Go's log/slog: DEBUG -4, INFO 0, WARN 4, ERROR 8. */
  readonly level: number;
  readonly format: "text" | "json";
}

export interface DataplaneConfig {
  /** Name of the nft table (family inet) that this daemon owns. */
  readonly table: string;
  /** The one bit of the packet mark that this daemon uses, for flows that need masquerade. */
  readonly masqueradeMark: number;
  /** false: a sysctl that is needed and not set is an error that names the command. */
  readonly manageSysctls: boolean;
  /** What to do with two frontends of which one listens on a wildcard and the other on an address of the same port. */
  readonly wildcardOverlap: "refuse" | "specific-wins";
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

export interface TargetConfig {
  readonly name: string;
  readonly kind: KindReference;
  readonly idleTimeoutMs: number;
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

export interface FrontendConfig {
  readonly name: string;
  readonly kind: KindReference;
  readonly protocol: Protocol;
  /** At least one, in the order of the file. */
  readonly routes: readonly Route[];
  readonly flowTimeoutMs: number;
  readonly masquerade: Masquerade;
  /** Names of the target and of its endpoint. */
  readonly target: string;
  readonly endpoint: string;
  /** Checked against the kind's schema, defaults filled in. */
  readonly options: unknown;
}
