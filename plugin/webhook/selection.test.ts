import { describe, expect, it } from "vitest";
import type { EngineEvent } from "../../pkg/plugin/plugin.ts";
import { EVENT_NAMES, namesOf } from "./selection.ts";

const at = "2026-01-02T03:04:05.678Z";

const CASES: [EngineEvent, string[]][] = [
  [{ type: "target_state", at, target: "t", from: "warming", to: "active" }, ["target_state", "target_state.active"]],
  [
    { type: "target_state", at, target: "t", from: "warming", to: "inactive", error: "exit 3" },
    ["target_state", "target_state.inactive", "target_state.failed"],
  ],
  [
    { type: "frontend_state", at, frontend: "f", target: "t", from: "starting", to: "stopped", error: "in use" },
    ["frontend_state", "frontend_state.stopped", "frontend_state.failed"],
  ],
  [{ type: "hold", at, frontend: "f", target: "t", source: "192.0.2.1:4" }, ["hold"]],
  [
    { type: "release", at, frontend: "f", target: "t", source: "192.0.2.1:4", outcome: "timed_out", held_ms: 5 },
    ["release", "release.timed_out"],
  ],
  [{ type: "refusal", at, frontend: "f", target: "t", gate: "limited", packets: 3 }, ["refusal", "refusal.limited"]],
  [{ type: "transaction", at, took_ms: 3 }, ["transaction"]],
  [{ type: "transaction", at, took_ms: 3, error: "nft" }, ["transaction", "transaction.failed"]],
  [{ type: "reload", at, report: {} }, ["reload"]],
  [{ type: "reload", at, error: "wrong" }, ["reload", "reload.failed"]],
];

describe("names of events", () => {
  it.each(CASES)("of %j", (event, names) => {
    expect(namesOf(event)).toEqual(names);
  });

  it("are all such as a configuration may ask for, of every type", () => {
    for (const [event] of CASES) expect(EVENT_NAMES).toEqual(expect.arrayContaining(namesOf(event)));
    expect(new Set(EVENT_NAMES).size).toBe(EVENT_NAMES.length);
    expect(new Set(EVENT_NAMES.map((each) => each.replace(/\..*/, "")))).toEqual(new Set(CASES.map(([{ type }]) => type)));
  });
});
