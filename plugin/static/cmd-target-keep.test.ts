/** A command that outlives its daemon by intent, or gets other options while it runs. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { systemClock } from "../../pkg/clock/clock.ts";
import type { Fault } from "../../pkg/fault/fault.ts";
import { collectingLog } from "../../pkg/log/collecting-log.ts";
import { systemCommands } from "../../pkg/process/runner.ts";
import type { CmdOptions } from "./cmd-options.ts";
import { CmdTarget } from "./cmd-target.ts";

const NEVER = new AbortController().signal;
const PATIENCE = { timeout: 4000, interval: 10 };

/** One directory, as of one target, and handlers for it as one daemon after the other makes them. */
function setUp() {
  const directory = mkdtempSync(join(tmpdir(), "cmd-keep-"));
  const made: CmdTarget[] = [];
  onTestFinished(async () => {
    for (const target of made) await target.close();
    rmSync(directory, { recursive: true });
  });
  const optionsOf = (options: Partial<CmdOptions>): CmdOptions => ({
    command: "sleep 60",
    env: {},
    stop_signal: "SIGTERM",
    stop_timeout: "5s",
    cwd: directory,
    ...options,
  });
  const daemon = (options: Partial<CmdOptions> = {}) => {
    const log = collectingLog();
    const deaths: Fault[] = [];
    const target = new CmdTarget({
      name: "backend",
      endpoints: [],
      options: optionsOf(options),
      log,
      clock: systemClock,
      commands: systemCommands(),
      directory,
      died: (reason) => deaths.push(reason),
    });
    made.push(target);
    const output = (): string[] =>
      log.entries.filter(({ fields }) => fields["stream"] === "output").map(({ message }) => message);
    return { target, log, deaths, output };
  };
  return { directory, daemon, optionsOf };
}

function isAlive(directory: string): boolean {
  const { identity } = JSON.parse(readFileSync(join(directory, "command.json"), "utf8")) as { identity: { pid: number } };
  return existsSync(`/proc/${String(identity.pid)}`);
}

describe("static:cmd that is let go of", () => {
  const SPEAKING = { command: "echo before; while :; do sleep 0.05; echo after; done" };

  it("runs on, and is found again by the next daemon with what it says from then on", async () => {
    const { directory, daemon } = setUp();
    const first = daemon(SPEAKING);
    await first.target.warm(NEVER);
    await vi.waitUntil(() => first.output().includes("before"), PATIENCE);
    await first.target.detach();
    const heard = first.output().length;
    expect(isAlive(directory)).toBe(true);
    const next = daemon(SPEAKING);
    expect(await next.target.adopt()).toBe(true);
    await vi.waitUntil(() => next.output().includes("after"), PATIENCE);
    expect(next.output()).not.toContain("before");
    expect(first.output()).toHaveLength(heard);
    await next.target.drain();
    expect(readdirSync(directory)).toEqual([]);
  });

  it("is not the former daemon's any more: it neither stops it nor hears of its end", async () => {
    const { directory, daemon } = setUp();
    const first = daemon();
    await first.target.warm(NEVER);
    await first.target.detach();
    await first.target.detach();
    await first.target.drain();
    await first.target.close();
    expect(isAlive(directory)).toBe(true);
    const next = daemon();
    expect(await next.target.adopt()).toBe(true);
    await next.target.drain();
    await systemClock.sleep(50);
    expect([first.deaths, next.deaths, first.log.messages("warn")]).toEqual([[], [], []]);
  });

  it("is nothing where nothing was started", async () => {
    const { directory, daemon } = setUp();
    await daemon().target.detach();
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe("static:cmd with other options", () => {
  it.each<[keyof CmdOptions, Partial<CmdOptions>, boolean]>([
    ["stop_signal", { stop_signal: "SIGINT" }, true],
    ["stop_timeout", { stop_timeout: "9s" }, true],
    ["command", { command: "sleep 61" }, false],
    ["env", { env: { A: "1" } }, false],
    ["cwd", { cwd: "/" }, false],
    ["user", { user: "nobody" }, false],
    ["group", { group: 1234 }, false],
  ])("needs a new start unless it is about the stop: %s", (_option, change, isTakenOver) => {
    const { daemon, optionsOf } = setUp();
    const { target } = daemon();
    expect(target.reconfigure(optionsOf(change)) !== undefined).toBe(isTakenOver);
  });

  it("is stopped as the options have it by then, and not before they were taken over", async () => {
    const { daemon, optionsOf } = setUp();
    const command = "trap 'echo told; exit' TERM; trap 'echo interrupted; exit' INT; echo up; while :; do sleep 0.05; done";
    const { target, output } = daemon({ command });
    const takeOver = target.reconfigure(optionsOf({ command, stop_signal: "SIGINT" }));
    for (const expected of ["told", "interrupted"]) {
      await target.warm(NEVER);
      const ups = expected === "told" ? 1 : 2;
      await vi.waitUntil(() => output().filter((line) => line === "up").length === ups, PATIENCE);
      if (expected === "interrupted") takeOver?.();
      await target.drain();
      expect(
        output()
          .filter((line) => line === "told" || line === "interrupted")
          .at(-1),
      ).toBe(expected);
    }
  });

  it("is found again by a daemon that stops it in another way", async () => {
    const { daemon } = setUp();
    // a SIGINT that comes while dash starts a program is lost
    const command = "echo up; exec sleep 60";
    const first = daemon({ command });
    await first.target.warm(NEVER);
    await vi.waitUntil(() => first.output().includes("up"), PATIENCE);
    await first.target.detach();
    const next = daemon({ command, stop_signal: "SIGINT", stop_timeout: "9s" });
    expect(await next.target.adopt()).toBe(true);
    expect(next.log.messages("warn")).toEqual([]);
  });

  it("compares with those that it took over last", () => {
    const { daemon, optionsOf } = setUp();
    const { target } = daemon();
    target.reconfigure(optionsOf({ stop_timeout: "9s" }))?.();
    expect(target.reconfigure(optionsOf({ stop_timeout: "9s", stop_signal: "SIGINT" }))).toBeDefined();
    expect(target.reconfigure(optionsOf({ stop_timeout: "9s", command: "x" }))).toBeUndefined();
  });
});
