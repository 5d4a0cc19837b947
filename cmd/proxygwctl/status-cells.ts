/** What the cells of a status say, in the table and on the live screen. */
import type { TrafficStatus } from "../../pkg/plugin/status.ts";
import { formatAge } from "../../pkg/value/age.ts";
import { formatBytes } from "../../pkg/value/bytes.ts";
import { type DaemonFrontend, type DaemonTarget, msSince } from "./daemon-status.ts";
import { statePaint, type Style } from "./style.ts";
import type { Cell } from "./table.ts";

const NOTHING = "-";

export function stateCell(state: string, style: Style): Cell {
  return { text: state, paint: statePaint(style, state) };
}

export function ageCell(at: string | undefined, now: Date): string {
  const ms = msSince(at, now);
  return ms === undefined ? NOTHING : formatAge(Math.max(0, Math.round(ms / 1000)) * 1000).replace(/^0ms$/, "now");
}

/** Flows, connections, bytes in, bytes out. */
export function trafficCells(traffic: TrafficStatus | undefined): string[] {
  if (traffic === undefined) return [NOTHING, NOTHING, NOTHING, NOTHING];
  return [String(traffic.flows), String(traffic.connections), formatBytes(traffic.bytes_in), formatBytes(traffic.bytes_out)];
}

export function idleCell(target: DaemonTarget, now: Date): string {
  const { wanted_by: wantedBy = [], idle_due: due } = target;
  if (wantedBy.length > 0) return `kept up by ${wantedBy.join(", ")}`;
  const ms = msSince(due, now);
  if (ms === undefined) return NOTHING;
  return ms >= 0 ? "now" : `in ${formatAge(Math.ceil(-ms / 1000) * 1000)}`;
}

/** "4m10s ago: first packet from 192.0.2.2:4000 (public-http), 104ms" */
export function wakeCell({ last_wake: wake }: DaemonTarget, now: Date): string {
  if (wake === undefined) return NOTHING;
  const frontend = wake.frontend === undefined ? "" : ` (${wake.frontend})`;
  return `${ageCell(wake.at, now)} ago: ${wake.reason}${frontend}, ready in ${formatAge(wake.took_ms)}`.replace(
    /^now ago/,
    "now",
  );
}

export function hasError({ last_error: error }: DaemonTarget | DaemonFrontend): boolean {
  return error !== undefined && error !== "";
}

/** The line below a target or frontend with `hasError`. */
export function errorNote(resource: DaemonTarget | DaemonFrontend, now: Date, style: Style): Cell | undefined {
  const { last_error: error, last_error_at: at } = resource;
  if (error === undefined || !hasError(resource)) return undefined;
  const when = at === undefined ? "" : `, ${ageCell(at, now)} ago`.replace(/now ago$/, "now");
  return { text: `last error${when}: ${error}`, paint: style.red };
}
