import type { DaemonFrontend, DaemonStatus, DaemonTarget } from "./daemon-status.ts";
import { ageCell, errorNote, idleCell, stateCell, trafficCells, wakeCell } from "./status-cells.ts";
import type { Style } from "./style.ts";
import { type Cell, type Column, fittingTable, type Layout } from "./table.ts";

const TRAFFIC: readonly Column[] = ["FLOWS", "CONNS", "IN", "OUT"].map((title) => ({ title, right: true }));

/** Lines of what the daemon's status says, for people: targets, then frontends, each with its last error below it. */
export function statusTable({ targets, frontends }: DaemonStatus, now: Date, style: Style, width: number): string[] {
  const lines =
    targets.length === 0 ? [] : fittingTable(targetsWide(targets, now, style), targetsNarrow(targets, now, style), style, width);
  if (frontends.length > 0) {
    if (lines.length > 0) lines.push("");
    lines.push(...fittingTable(frontendsWide(frontends, now, style), frontendsNarrow(frontends, now, style), style, width));
  }
  return lines.length === 0 ? ["no targets and no frontends are configured"] : lines;
}

function targetsWide(targets: readonly DaemonTarget[], now: Date, style: Style): Layout {
  return {
    columns: [...targetColumns(), { title: "LAST WAKE" }],
    rows: targets.map((each) => ({
      cells: [...targetCells(each, now, style), wakeCell(each, now)],
      notes: errorNotes(each, now, style),
    })),
  };
}

function targetsNarrow(targets: readonly DaemonTarget[], now: Date, style: Style): Layout {
  return {
    columns: targetColumns(),
    rows: targets.map((each) => ({
      cells: targetCells(each, now, style),
      notes: [
        ...(each.last_wake === undefined ? [] : [{ text: `last wake ${wakeCell(each, now)}` }]),
        ...errorNotes(each, now, style),
      ],
    })),
  };
}

function targetColumns(): Column[] {
  return [...["TARGET", "STATE", "SINCE"].map((title) => ({ title })), ...TRAFFIC, { title: "IDLE DUE" }];
}

function targetCells(target: DaemonTarget, now: Date, style: Style): (Cell | string)[] {
  return [
    target.name,
    stateCell(target.state, style),
    ageCell(target.since, now),
    ...trafficCells(target.traffic),
    idleCell(target, now),
  ];
}

function frontendsWide(frontends: readonly DaemonFrontend[], now: Date, style: Style): Layout {
  return {
    columns: [...frontendColumns(), ...["LISTEN", "TARGET", "TURNED AWAY"].map((title) => ({ title }))],
    rows: frontends.map((each) => ({
      cells: [...frontendCells(each, now, style), listenText(each), leadsTo(each), turnedAway(each) ?? "-"],
      notes: errorNotes(each, now, style),
    })),
  };
}

function frontendsNarrow(frontends: readonly DaemonFrontend[], now: Date, style: Style): Layout {
  return {
    columns: frontendColumns(),
    rows: frontends.map((each) => {
      const away = turnedAway(each);
      return {
        cells: frontendCells(each, now, style),
        notes: [
          { text: `${listenText(each)} to ${leadsTo(each)}` },
          ...(away === undefined ? [] : [{ text: `turned away: ${away}` }]),
          ...errorNotes(each, now, style),
        ],
      };
    }),
  };
}

function frontendColumns(): Column[] {
  return [...["FRONTEND", "STATE", "SINCE"].map((title) => ({ title })), ...TRAFFIC, { title: "HOLDING" }];
}

function frontendCells(frontend: DaemonFrontend, now: Date, style: Style): (Cell | string)[] {
  const { holding = 0 } = frontend;
  return [
    frontend.name,
    stateCell(frontend.state, style),
    ageCell(frontend.since, now),
    ...trafficCells(frontend.traffic),
    { text: String(holding), paint: holding > 0 ? style.yellow : undefined },
  ];
}

function listenText({ protocol, listen, listens = [listen] }: DaemonFrontend): string {
  return `${protocol} ${listens.join(", ")}`;
}

function leadsTo(frontend: DaemonFrontend): string {
  return `${frontend.target_name}:${frontend.endpoint_name}`;
}

/** Clients and packets that did not get through. */
function turnedAway(frontend: DaemonFrontend): string | undefined {
  const counts = (["denied", "ignored", "limited", "overflowed", "timed_out"] as const).flatMap((gate) => {
    const count = frontend[gate] ?? 0;
    return count === 0 ? [] : [`${count} ${gate.replace("_", " ")}`];
  });
  return counts.length === 0 ? undefined : counts.join(", ");
}

function errorNotes(resource: DaemonTarget | DaemonFrontend, now: Date, style: Style): Cell[] {
  const note = errorNote(resource, now, style);
  return note === undefined ? [] : [note];
}
