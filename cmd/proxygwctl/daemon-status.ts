import type { FrontendStatus, Status, TargetStatus } from "../../pkg/plugin/status.ts";

/** As it comes from a daemon, which may be older: what was added to the status may be missing. */
export interface DaemonStatus {
  readonly targets: readonly Older<TargetStatus, "since" | "idle_timeout_ms">[];
  readonly frontends: readonly Older<FrontendStatus, "since">[];
}

type Older<T, Added extends keyof T> = Omit<T, Added> & Partial<Pick<T, Added>>;

export type DaemonTarget = DaemonStatus["targets"][number];
export type DaemonFrontend = DaemonStatus["frontends"][number];

export function daemonStatus(body: unknown): DaemonStatus {
  const { targets = [], frontends = [] } = (body ?? {}) as Partial<Status>;
  return { targets, frontends };
}

/** Milliseconds since a point in time that the daemon told; undefined: it did not. */
export function msSince(at: string | undefined, now: Date): number | undefined {
  const ms = at === undefined ? NaN : Date.parse(at);
  return Number.isNaN(ms) ? undefined : now.getTime() - ms;
}
