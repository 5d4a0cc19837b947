import type { DaemonFrontend, DaemonStatus, DaemonTarget } from "./daemon-status.ts";
import { ageCell, errorNote, idleCell, stateCell, trafficCells, wakeCell } from "./status-cells.ts";
import type { Style } from "./style.ts";
import { type Column, type Row, table } from "./table.ts";

const TRAFFIC: readonly Column[] = ["FLOWS", "CONNS", "IN", "OUT"].map((title) => ({ title, right: true }));
const TARGETS: readonly Column[] = [
  ...["TARGET", "STATE", "SINCE"].map((title) => ({ title })),
  ...TRAFFIC,
  ...["IDLE DUE", "LAST WAKE"].map((title) => ({ title })),
];
const FRONTENDS: readonly Column[] = [
  ...["FRONTEND", "STATE", "SINCE"].map((title) => ({ title })),
  ...TRAFFIC,
  ...["HOLDING", "LISTEN", "TARGET", "TURNED AWAY"].map((title) => ({ title })),
];

/** Lines of what the daemon's status says, for people: targets, then frontends, each with its last error below it. */
export function statusTable({ targets, frontends }: DaemonStatus, now: Date, style: Style): string[] {
  const lines =
    targets.length === 0
      ? []
      : table(
          TARGETS,
          targets.map((each) => targetRow(each, now, style)),
          style,
        );
  if (frontends.length > 0) {
    if (lines.length > 0) lines.push("");
    lines.push(
      ...table(
        FRONTENDS,
        frontends.map((each) => frontendRow(each, now, style)),
        style,
      ),
    );
  }
  return lines.length === 0 ? ["no targets and no frontends are configured"] : lines;
}

function targetRow(target: DaemonTarget, now: Date, style: Style): Row {
  const note = errorNote(target, now, style);
  return {
    cells: [
      target.name,
      stateCell(target.state, style),
      ageCell(target.since, now),
      ...trafficCells(target.traffic),
      idleCell(target, now),
      wakeCell(target, now),
    ],
    notes: note === undefined ? [] : [note],
  };
}

function frontendRow(frontend: DaemonFrontend, now: Date, style: Style): Row {
  const note = errorNote(frontend, now, style);
  const { holding = 0, listen, listens = [listen], traffic } = frontend;
  return {
    cells: [
      frontend.name,
      stateCell(frontend.state, style),
      ageCell(frontend.since, now),
      ...trafficCells(traffic),
      { text: String(holding), paint: holding > 0 ? style.yellow : undefined },
      `${frontend.protocol} ${listens.join(", ")}`,
      `${frontend.target_name}:${frontend.endpoint_name}`,
      turnedAway(frontend),
    ],
    notes: note === undefined ? [] : [note],
  };
}

/** Clients and packets that did not get through. */
function turnedAway(frontend: DaemonFrontend): string {
  const counts = (["denied", "ignored", "limited", "overflowed", "timed_out"] as const).flatMap((gate) => {
    const count = frontend[gate] ?? 0;
    return count === 0 ? [] : [`${count} ${gate.replace("_", " ")}`];
  });
  return counts.length === 0 ? "-" : counts.join(", ");
}
