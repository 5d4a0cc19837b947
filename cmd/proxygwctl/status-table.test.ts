import { describe, expect, it } from "vitest";
import type { Status } from "../../pkg/plugin/status.ts";
import { daemonStatus } from "./daemon-status.ts";
import { flowTable } from "./flow-table.ts";
import { statusTable } from "./status-table.ts";
import { widthOf } from "./cell-text.ts";
import { COLOURS, NO_COLOURS } from "./style.ts";

const NOW = new Date("2026-01-01T12:00:00.000Z");
const traffic = { flows: 3, connections: 120, packets_in: 9, bytes_in: 1_000_000, packets_out: 9, bytes_out: 34_000_000 };
const at = { since: "2026-01-01T11:55:50.000Z", idle_timeout_ms: 300_000 };
const STATUS: Status = {
  closed: false,
  targets: [
    {
      name: "web",
      kind: "static:cmd",
      state: "active",
      ...at,
      idle_due: "2026-01-01T12:03:20.400Z",
      traffic,
      last_wake: { reason: "first packet from 192.0.2.2:4000", frontend: "front", at: at.since, took_ms: 104 },
      endpoints: [],
    },
    { name: "kept", kind: "static:none", state: "active", ...at, wanted_by: ["always"], endpoints: [] },
    { name: "due", kind: "static:none", state: "active", ...at, idle_due: "2026-01-01T11:59:59.900Z", endpoints: [] },
    {
      name: "db",
      kind: "static:cmd",
      state: "inactive",
      since: "2025-12-31T11:00:00.000Z",
      idle_timeout_ms: 1000,
      last_error: "the command\nended with 1",
      last_error_at: "2026-01-01T11:59:18.000Z",
      endpoints: [],
    },
  ],
  frontends: [
    {
      name: "front",
      kind: "static:on-demand",
      state: "running",
      since: NOW.toISOString(),
      traffic: { ...traffic, bytes_out: 2000 },
      protocol: "tcp",
      listen: "0.0.0.0:80",
      listens: ["0.0.0.0:80", "[::]:80"],
      target_name: "web",
      endpoint_name: "http",
      proxyaddress: "127.0.0.1:8080",
      holding: 2,
      denied: 3,
      timed_out: 1,
    },
  ],
};

describe("status, as a table", () => {
  it("tells how targets and frontends are", () => {
    expect(statusTable(daemonStatus(STATUS), NOW, NO_COLOURS, Infinity)).toEqual([
      "TARGET  STATE     SINCE  FLOWS  CONNS       IN       OUT  IDLE DUE           LAST WAKE",
      "web     active    4m10s      3    120  977 KiB  32.4 MiB  in 3m21s           4m10s ago: first packet from 192.0.2.2:4000 (front), ready in 104ms",
      "kept    active    4m10s      -      -        -         -  kept up by always  -",
      "due     active    4m10s      -      -        -         -  now                -",
      "db      inactive  1d1h       -      -        -         -  -                  -",
      "  last error, 42s ago: the command ended with 1",
      "",
      "FRONTEND  STATE    SINCE  FLOWS  CONNS       IN      OUT  HOLDING  LISTEN                   TARGET    TURNED AWAY",
      "front     running  now        3    120  977 KiB  2.0 KiB  2        tcp 0.0.0.0:80, [::]:80  web:http  3 denied, 1 timed out",
    ]);
  });

  it("says below what has no room beside, on a narrow terminal", () => {
    const lines = statusTable(daemonStatus(STATUS), NOW, NO_COLOURS, 80);
    expect(lines).toEqual([
      "TARGET  STATE     SINCE  FLOWS  CONNS       IN       OUT  IDLE DUE",
      "web     active    4m10s      3    120  977 KiB  32.4 MiB  in 3m21s",
      "  last wake 4m10s ago: first packet from 192.0.2.2:4000 (front), ready in 104ms",
      "kept    active    4m10s      -      -        -         -  kept up by always",
      "due     active    4m10s      -      -        -         -  now",
      "db      inactive  1d1h       -      -        -         -  -",
      "  last error, 42s ago: the command ended with 1",
      "",
      "FRONTEND  STATE    SINCE  FLOWS  CONNS       IN      OUT  HOLDING",
      "front     running  now        3    120  977 KiB  2.0 KiB  2",
      "  tcp 0.0.0.0:80, [::]:80 to web:http",
      "  turned away: 3 denied, 1 timed out",
    ]);
    expect(lines.every((line) => widthOf(line) <= 80)).toBe(true);
  });

  it("uses the room that there is", () => {
    const wide = statusTable(daemonStatus(STATUS), NOW, NO_COLOURS, Infinity);
    const widest = Math.max(...wide.map(widthOf));
    expect(statusTable(daemonStatus(STATUS), NOW, NO_COLOURS, widest)).toEqual(wide);
    expect(statusTable(daemonStatus(STATUS), NOW, NO_COLOURS, widest - 1)).not.toEqual(wide);
  });

  it("shows errors in red, and states in their colours", () => {
    const text = statusTable(daemonStatus(STATUS), NOW, COLOURS, Infinity).join("\n");
    expect(text).toContain("\x1b[31m  last error, 42s ago: the command ended with 1\x1b[39m");
    expect(text).toContain("\x1b[32m  active  \x1b[39m");
    expect(text).toContain("\x1b[2m  inactive\x1b[22m");
  });

  it("makes do with what an older daemon tells", () => {
    const older = { closed: false, targets: [{ name: "a", kind: "static:none", state: "active", endpoints: [] }] };
    expect(statusTable(daemonStatus(older), NOW, NO_COLOURS, Infinity)[1]).toMatch(/^a +active +-( +-){6}$/);
    for (const empty of [undefined, null, {}, { closed: false }]) {
      expect(statusTable(daemonStatus(empty), NOW, NO_COLOURS, Infinity)).toEqual(["no targets and no frontends are configured"]);
    }
  });
});

describe("flows, as a table", () => {
  it("tells who talks to whom", () => {
    const flow = {
      target: "web",
      endpoint: "http",
      protocol: "tcp",
      source: "192.0.2.2:4000",
      listen: "192.0.2.1:80",
      endpoint_address: "127.0.0.1:8080",
      expires_in_s: 299,
    };
    const seen = { ...flow, frontend: "front", state: "ESTABLISHED" };
    expect(flowTable([seen, { ...flow, protocol: "udp", expires_in_s: 0, ignored: true }], NO_COLOURS, Infinity)).toEqual([
      "TARGET  FRONTEND  PROTOCOL  SOURCE          LISTEN        ENDPOINT        STATE        EXPIRES IN",
      "web     front     tcp       192.0.2.2:4000  192.0.2.1:80  127.0.0.1:8080  ESTABLISHED       4m59s",
      "web     -         udp       192.0.2.2:4000  192.0.2.1:80  127.0.0.1:8080  ignored             now",
    ]);
    expect(flowTable([seen], NO_COLOURS, 80)).toEqual([
      "TARGET  SOURCE          STATE        EXPIRES IN",
      "web     192.0.2.2:4000  ESTABLISHED       4m59s",
      "  tcp to 192.0.2.1:80 (front), and on to 127.0.0.1:8080",
    ]);
    expect(flowTable([], NO_COLOURS, 80)).toEqual(["no flows are alive"]);
  });
});
