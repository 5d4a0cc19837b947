import { describe, expect, it } from "vitest";
import { widthOf } from "./cell-text.ts";
import { daemonStatus } from "./daemon-status.ts";
import { NO_COLOURS } from "./style.ts";
import { pressed } from "./top.ts";
import { isSortKey, type Sample, topLines, type TopView } from "./top-view.ts";

const SIZE = { columns: 110, rows: 10 };

/** Targets t0, t1, ...: each has so many connections, as many bytes in, and twice as many out. */
function sample(now: number, ...connections: number[]): Sample {
  const targets = connections.map((count, at) => ({
    name: `t${String(at)}`,
    state: at === 0 ? "active" : "inactive",
    since: "2026-01-01T12:00:00.000Z",
    traffic: { flows: connections.length - at, connections: count, bytes_in: count, bytes_out: 2 * count },
    ...(at === 1 ? { last_error: "broken" } : {}),
  }));
  return { status: daemonStatus({ targets }), date: new Date("2026-01-01T12:00:05.000Z"), now };
}

function view(more: Partial<TopView> = {}): TopView {
  const both = { sample: sample(3000, 10, 50, 20), before: sample(1000, 10, 10, 40) };
  return { socket: "/run/s", intervalMs: 2000, sort: "n", reverse: false, offset: 0, ...both, ...more };
}

const names = (lines: readonly string[]): string[] => lines.flatMap((line) => /^t\d+/.exec(line) ?? []);

describe("the live screen", () => {
  it("shows all targets, and what flows per second", () => {
    const lines = topLines(view(), SIZE, NO_COLOURS);
    expect(lines).toHaveLength(SIZE.rows);
    expect(lines[0]).toMatch(/^proxygw {3}\/run\/s {3}3 targets: 1 active, 2 inactive {3}0 frontends +every 2s {3}\d\d:\d\d:05$/);
    expect(lines[2]).toBe("TARGET  STATE     SINCE  FLOWS  CONNS  CONN/S  IN/S  OUT/S  IDLE DUE  LAST WAKE");
    expect(lines[3]).toBe("t0      active    5.0s       3     10     0.0   0 B    0 B  -         -");
    expect(lines[4]).toBe("t1      inactive  5.0s       2     50    20.0  20 B   40 B  -         -");
    expect(lines[5]).toBe("  last error: broken");
    // fewer than before: a new daemon
    expect(lines[6]).toBe("t2      inactive  5.0s       1     20     0.0   0 B    0 B  -         -");
    expect(lines.at(-1)).toContain("q quit");
    expect(topLines(view({ before: undefined }), SIZE, NO_COLOURS)[4]).toContain("50       -     -      -");
  });

  it.each([
    ["n", ["t0", "t1", "t2"]],
    ["f", ["t0", "t1", "t2"]],
    ["c", ["t1", "t0", "t2"]],
    ["o", ["t1", "t0", "t2"]],
    ["s", ["t0", "t1", "t2"]],
  ])("is sorted by %s", (key, order) => {
    if (!isSortKey(key)) throw new Error(key);
    expect(names(topLines(pressed(view(), key, SIZE), SIZE, NO_COLOURS))).toEqual(order);
  });

  it("is turned round by r", () => {
    expect(names(topLines(pressed(view(), "r", SIZE), SIZE, NO_COLOURS))).toEqual(["t2", "t1", "t0"]);
  });

  it("never is larger than the terminal", () => {
    for (const size of [
      { columns: 1, rows: 1 },
      { columns: 20, rows: 4 },
      { columns: 40, rows: 6 },
      { columns: 300, rows: 60 },
    ]) {
      const lines = topLines(view(), size, NO_COLOURS);
      expect(lines.length).toBeLessThanOrEqual(size.rows);
      expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(size.columns);
    }
  });

  it("is scrolled no further than there is something", () => {
    const many = view({ sample: sample(3000, ...Array.from({ length: 30 }, (_, at) => at)), before: undefined });
    const shown = (from: TopView): string[] => topLines(from, SIZE, NO_COLOURS).slice(3, -1);
    const end = pressed(many, "end", SIZE);
    expect(shown(end).at(-1)).toMatch(/^t9 /);
    expect(pressed(end, "down", SIZE).offset).toBe(end.offset);
    expect(pressed(end, "home", SIZE).offset).toBe(0);
    expect(pressed(many, "up", SIZE).offset).toBe(0);
    expect(pressed(pressed(many, "page-down", SIZE), "page-up", SIZE).offset).toBe(0);
    expect(shown(pressed(many, "down", SIZE))[0]).toBe(shown(many)[1]);
    expect(pressed(many, "x", SIZE)).toBe(many);
  });
});
