import { describe, expect, it } from "vitest";
import { FakeClock } from "../clock/fake-clock.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { StateMachine } from "./state-machine.ts";

type Light = "red" | "green" | "off";

function setUp() {
  const clock = new FakeClock();
  const log = collectingLog();
  const moves: Readonly<Record<Light, readonly Light[]>> = { red: ["green", "off"], green: ["red"], off: [] };
  const moved: unknown[] = [];
  const machine = new StateMachine<Light>({
    sort: { noun: "light", initial: "red", moves },
    name: "one",
    clock,
    log,
    moved: (...move) => moved.push(move),
  });
  return { clock, log, machine, moved };
}

describe("StateMachine", () => {
  it("moves where its table lets it, and logs each move", () => {
    const { log, machine } = setUp();
    expect(machine.state).toBe("red");
    machine.transition("red", "green", { reason: "a car" });
    machine.transition("green", "red", { reason: "nobody", error: undefined });
    machine.transition("red", "off", { error: "no power" });
    expect(machine.state).toBe("off");
    expect(log.entries).toEqual([
      { level: "info", message: "light state", fields: { from: "red", to: "green", reason: "a car" } },
      { level: "info", message: "light state", fields: { from: "green", to: "red", reason: "nobody", error: undefined } },
      { level: "error", message: "light state", fields: { from: "red", to: "off", error: "no power" } },
    ]);
  });

  it("knows since when it is in its state, and tells whoever made it of each move", async () => {
    const { clock, machine, moved } = setUp();
    const made = clock.date();
    await clock.advance(1000);
    expect(machine.since).toEqual(made);
    machine.transition("red", "green", { reason: "a car" });
    expect(machine.since).toEqual(clock.date());
    expect(moved).toEqual([["red", "green", { reason: "a car" }]]);
  });

  it("logs a move that few want to see at debug level, unless something went wrong", () => {
    const { log, machine } = setUp();
    machine.transition("red", "green", {}, "debug");
    machine.transition("green", "red", { error: "a crash" }, "debug");
    expect(log.entries.map(({ level }) => level)).toEqual(["debug", "error"]);
  });

  it.each<[string, Light, Light]>([
    ["is not in that state", "green", "red"],
    ["may not go there", "red", "red"],
  ])("stays where it is, and tells nobody, when it %s", (_why, from, to) => {
    const { log, machine } = setUp();
    const seen: Light[] = [];
    machine.onState((state) => seen.push(state));
    expect(() => {
      machine.transition(from, to, {});
    }).toThrow(expect.objectContaining({ code: "STATE_ILLEGAL", message: `light "one": red cannot become ${to}` }) as Error);
    expect([machine.state, seen, log.entries]).toEqual(["red", [], []]);
  });

  it("tells who listens, after the move, until they no longer want it", () => {
    const { machine } = setUp();
    const seen: string[] = [];
    const end = machine.onState((state) => seen.push(`one ${state} ${machine.state}`));
    machine.onState((state) => seen.push(`two ${state}`));
    machine.transition("red", "green", {});
    end();
    end();
    machine.transition("green", "red", {});
    machine.forgetListeners();
    machine.transition("red", "off", {});
    expect(seen).toEqual(["one green green", "two green", "two red"]);
  });

  it("goes on when a listener fails, and when one comes or goes while it tells", () => {
    const { log, machine } = setUp();
    const seen: string[] = [];
    machine.onState(() => {
      throw new Error("listener's own");
    });
    const end = machine.onState(() => {
      end();
      machine.onState((state) => seen.push(`late ${state}`));
    });
    machine.onState((state) => seen.push(`last ${state}`));
    machine.transition("red", "green", {});
    expect([machine.state, seen]).toEqual(["green", ["last green"]]);
    expect(log.entries.at(-1)).toEqual({
      level: "error",
      message: "a listener of the state failed",
      fields: { error: "listener's own" },
    });
    machine.transition("green", "red", {});
    expect(seen).toEqual(["last green", "last red", "late red"]);
  });

  it("keeps the last thing that went wrong, whatever comes after it", async () => {
    const { clock, machine } = setUp();
    expect(machine.lastError).toBeUndefined();
    machine.failed(new Error("first"));
    await clock.advance(5);
    const date = clock.date();
    machine.failed(new Error("second", { cause: new Error("why") }));
    machine.transition("red", "green", {});
    expect(machine.lastError).toEqual({ message: expect.stringContaining("second") as string, date });
  });
});
