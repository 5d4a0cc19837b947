import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Clock, systemClock } from "../../pkg/clock/clock.ts";
import { type CollectingLog, collectingLog } from "../../pkg/log/collecting-log.ts";
import { systemCommands } from "../../pkg/process/runner.ts";
import { CmdTarget } from "./cmd-target.ts";

const NEVER = new AbortController().signal;
/** Five seconds are a hundredth of one. */
const HASTY: Clock = {
  now: () => systemClock.now(),
  date: () => systemClock.date(),
  sleep: (ms, signal) => systemClock.sleep(ms / 500, signal),
};

describe("static:cmd that can't write down its process", () => {
  let directory: string;
  let log: CollectingLog;
  const targets: CmdTarget[] = [];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "cmd-"));
    log = collectingLog();
    // nothing can take its place: as with a full disk, it can't be written
    mkdirSync(join(directory, "command.json"));
  });
  afterEach(async () => {
    for (const target of targets.splice(0)) await target.close();
    rmSync(directory, { recursive: true });
  });

  function make(clock: Clock): CmdTarget {
    const options = { command: "exec sleep 60", env: {}, stop_signal: "SIGINT", stop_timeout: "5s" };
    const died = (): void => undefined;
    const target = new CmdTarget({
      name: "backend",
      endpoints: [],
      options,
      log,
      clock,
      commands: systemCommands(),
      directory,
      died,
    });
    targets.push(target);
    return target;
  }

  const cure = (): void => {
    rmdirSync(join(directory, "command.json"));
  };

  it("does so when that is possible again, and is found by the next daemon", async () => {
    const target = make(HASTY);
    await target.warm(NEVER);
    expect(log.messages("warn")).toEqual([expect.stringContaining("could not write down")]);
    cure();
    await vi.waitFor(() => {
      expect(existsSync(join(directory, "command.json"))).toBe(true);
    });
    expect(log.messages("warn")).toHaveLength(1);
    expect(await make(HASTY).adopt()).toBe(true);
  });

  it("does so at the latest when the service is left to the next daemon", async () => {
    const target = make(systemClock);
    await target.warm(NEVER);
    cure();
    await target.detach();
    expect(await make(systemClock).adopt()).toBe(true);
  });

  it("gives that up when the service is stopped", async () => {
    const target = make(HASTY);
    await target.warm(NEVER);
    await target.drain();
    cure();
    await systemClock.sleep(50, NEVER);
    expect(existsSync(join(directory, "command.json"))).toBe(false);
  });
});
