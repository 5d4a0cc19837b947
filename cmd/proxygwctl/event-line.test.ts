import { describe, expect, it } from "vitest";
import type { EngineEvent } from "../../pkg/plugin/event.ts";
import { concerns, eventLine } from "./event-line.ts";
import { COLOURS, NO_COLOURS } from "./style.ts";

const at = "2026-01-01T12:00:00.000Z";
const flow = { frontend: "front", target: "web", source: "192.0.2.2:4000" };
const STATE = { at, type: "target_state", target: "web", from: "inactive", to: "warming" } as const;

describe("an event, for people", () => {
  it.each<[EngineEvent, string]>([
    [{ ...STATE, reason: "first packet", frontend: "front" }, "target web inactive -> warming: first packet (front)"],
    [{ ...STATE, from: "warming", to: "active", took_ms: 104 }, "target web inactive -> warming, ready in 104ms"],
    [
      { ...STATE, error: "ended\nwith \x1b[2J", retry_in_ms: 2000 },
      "target web inactive -> warming failed: ended with �[2J; clients wake it again in 2.0s",
    ],
    [
      { at, type: "frontend_state", frontend: "front", target: "web", from: "stopped", to: "starting", reason: "asked for" },
      "frontend front stopped -> starting: asked for",
    ],
    [{ at, type: "hold", ...flow }, "frontend front holds 192.0.2.2:4000"],
    [
      { at, type: "release", ...flow, outcome: "timed_out", held_ms: 30_000 },
      "frontend front timed out 192.0.2.2:4000 after 30s",
    ],
    [{ at, type: "refusal", frontend: "front", target: "web", gate: "denied", packets: 1 }, "frontend front denied 1 packet"],
    [{ at, type: "transaction", took_ms: 4.6, error: "no" }, "transaction 5ms failed: no"],
    [{ at, type: "reload", report: { targets: { added: ["a"] } } }, "reload: added target a"],
    [{ at, type: "reload", error: "x.yaml:1:1: no\n\n1 problem" }, "reload failed: x.yaml:1:1: no 1 problem"],
    [{ at, type: "later", what: "new" } as never, 'later {"what":"new"}'],
  ])("%j", (event, text) => {
    const expected =
      event.type === "target_state" && event.to === "active" ? text.replace(/inactive -> \w+/, "warming -> active") : text;
    expect(eventLine(event, NO_COLOURS)).toBe(`${at} ${expected}`);
  });

  it("has colours where there are some", () => {
    expect(eventLine(STATE, COLOURS)).toBe(`\x1b[2m${at}\x1b[22m target web inactive -> \x1b[33mwarming\x1b[39m`);
  });

  it("concerns its target and its frontend", () => {
    const hold: EngineEvent = { at, type: "hold", ...flow };
    expect([["web"], ["front"], ["other", "web"], ["other"]].map((names) => concerns(hold, new Set(names)))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(concerns({ at, type: "reload" }, new Set(["web", ""]))).toBe(false);
  });
});
