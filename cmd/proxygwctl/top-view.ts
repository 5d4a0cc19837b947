import { formatBytes } from "../../pkg/value/bytes.ts";
import { formatDuration } from "../../pkg/value/duration.ts";
import { cut, oneLine, widthOf } from "./cell-text.ts";
import { type DaemonStatus, type DaemonTarget, msSince } from "./daemon-status.ts";
import { ageCell, errorNote, hasError, idleCell, stateCell, wakeCell } from "./status-cells.ts";
import type { Style } from "./style.ts";
import { type Column, type Row, table } from "./table.ts";
import type { Size } from "./terminal.ts";

/** A status, and when it was. */
export interface Sample {
  readonly status: DaemonStatus;
  readonly date: Date;
  /** Milliseconds of the clock. */
  readonly now: number;
}

export interface TopView {
  readonly socket: string;
  readonly intervalMs: number;
  readonly sample: Sample;
  readonly before: Sample | undefined;
  readonly sort: SortKey;
  readonly reverse: boolean;
  /** Lines that are above the screen. */
  readonly offset: number;
}

interface Line {
  readonly target: DaemonTarget;
  readonly date: Date;
  /** Per second; undefined: not known yet. */
  readonly connections: number | undefined;
  readonly bytesIn: number | undefined;
  readonly bytesOut: number | undefined;
}

type Measure = (line: Line) => number | string;

/** Largest first, but for texts. What is not known is last. */
const SORTS = {
  n: { title: "TARGET", of: ({ target }) => target.name },
  s: { title: "STATE", of: ({ target }) => ["warming", "draining", "active", "inactive"].indexOf(target.state) * -1 },
  f: { title: "FLOWS", of: ({ target }) => target.traffic?.flows ?? -1 },
  c: { title: "CONN/S", of: ({ connections }) => connections ?? -1 },
  i: { title: "IN/S", of: ({ bytesIn }) => bytesIn ?? -1 },
  o: { title: "OUT/S", of: ({ bytesOut }) => bytesOut ?? -1 },
  d: { title: "IDLE DUE", of: ({ target, date }) => msSince(target.idle_due, date) ?? -Infinity },
} as const satisfies Record<string, { title: string; of: Measure }>;

type SortKey = keyof typeof SORTS;

export function isSortKey(key: string): key is SortKey {
  return Object.hasOwn(SORTS, key);
}

const COLUMNS: readonly Column[] = [
  { title: "TARGET" },
  { title: "STATE" },
  { title: "SINCE" },
  { title: "FLOWS", right: true },
  { title: "CONNS", right: true },
  { title: "CONN/S", right: true },
  { title: "IN/S", right: true },
  { title: "OUT/S", right: true },
  { title: "IDLE DUE" },
  { title: "LAST WAKE" },
];

const FOOT = "q quit   sort: n name, s state, f flows, c connections, i in, o out, d idle due   r reverse   arrows, PgUp, PgDn";

/** Rows that are not the table's. */
const AROUND = 4;

/** How far the table can be scrolled. */
export function lastOffset(view: TopView, { rows }: Size): number {
  const lines = view.sample.status.targets.reduce((count, target) => count + (hasError(target) ? 2 : 1), 0);
  return Math.max(0, lines - Math.max(1, rows - AROUND));
}

/** The whole screen; as many lines as it has rows at most. */
export function topLines(view: TopView, { columns, rows }: Size, style: Style): string[] {
  const [head = "", ...lines] = body(view, style, columns);
  const room = Math.max(1, rows - AROUND);
  const offset = Math.min(view.offset, Math.max(0, lines.length - room));
  const shown = lines.slice(offset, offset + room);
  const filler = Array.from({ length: room - shown.length }, () => "");
  return [summary(view, columns, style), "", head, ...shown, ...filler, style.dim(cut(FOOT, columns))].slice(0, rows);
}

function summary({ socket, intervalMs, sample }: TopView, columns: number, style: Style): string {
  const { targets, frontends } = sample.status;
  const left = [
    "proxygw",
    oneLine(socket),
    `${targets.length} targets${counts(targets)}`,
    `${frontends.length} frontends${counts(frontends)}`,
  ].join("   ");
  const right = `every ${formatDuration(intervalMs)}   ${sample.date.toTimeString().slice(0, 8)}`;
  const gap = columns - widthOf(left) - widthOf(right);
  return style.bold(gap >= 3 ? `${left}${" ".repeat(gap)}${right}` : cut(left, columns));
}

/** ": 3 active, 1 warming" */
function counts(resources: readonly { readonly state: string }[]): string {
  const states = new Map<string, number>();
  for (const { state } of resources) states.set(state, (states.get(state) ?? 0) + 1);
  const parts = [...states].sort(([a], [b]) => (a < b ? -1 : 1)).map(([state, count]) => `${count} ${oneLine(state)}`);
  return parts.length === 0 ? "" : `: ${parts.join(", ")}`;
}

function body(view: TopView, style: Style, columns: number): string[] {
  const { date } = view.sample;
  const titles = COLUMNS.map((each) => (each.title === SORTS[view.sort].title ? { ...each, paint: style.reverse } : each));
  return table(
    titles,
    sorted(view).map((line) => row(line, date, style)),
    style,
    columns,
  );
}

function sorted(view: TopView): Line[] {
  const { before, sample, sort, reverse } = view;
  const former = new Map(before?.status.targets.map((each) => [each.name, each]));
  const seconds = before === undefined ? 0 : (sample.now - before.now) / 1000;
  const of: Measure = SORTS[sort].of;
  const lines = sample.status.targets.map((target): Line => {
    const old = former.get(target.name)?.traffic;
    const rate = (field: "connections" | "bytes_in" | "bytes_out"): number | undefined => {
      const now = target.traffic?.[field];
      if (now === undefined || old === undefined || seconds <= 0) return undefined;
      // the counters of a new daemon begin at 0
      return Math.max(0, now - old[field]) / seconds;
    };
    return {
      target,
      date: sample.date,
      connections: rate("connections"),
      bytesIn: rate("bytes_in"),
      bytesOut: rate("bytes_out"),
    };
  });
  const direction = reverse ? -1 : 1;
  return lines.sort((a, b) => direction * compare(of(a), of(b)) || compare(a.target.name, b.target.name));
}

function compare(a: number | string, b: number | string): number {
  if (a === b) return 0;
  const isLess = a < b;
  return (typeof a === "string" ? isLess : !isLess) ? -1 : 1;
}

function row({ target, date, connections, bytesIn, bytesOut }: Line, now: Date, style: Style): Row {
  const note = errorNote(target, date, style);
  const { traffic } = target;
  return {
    cells: [
      target.name,
      stateCell(target.state, style),
      ageCell(target.since, now),
      String(traffic?.flows ?? "-"),
      String(traffic?.connections ?? "-"),
      connections === undefined ? "-" : connections.toFixed(1),
      bytesIn === undefined ? "-" : formatBytes(Math.round(bytesIn)),
      bytesOut === undefined ? "-" : formatBytes(Math.round(bytesOut)),
      idleCell(target, now),
      wakeCell(target, now),
    ],
    notes: note === undefined ? [] : [note],
  };
}
