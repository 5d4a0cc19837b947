import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../pkg/clock/clock.ts";
import type { Clock } from "../../pkg/clock/clock.ts";
import { FakeClock } from "../../pkg/clock/fake-clock.ts";
import type { Fault } from "../../pkg/fault/fault.ts";
import { collectingLog } from "../../pkg/log/collecting-log.ts";
import type { CollectingLog } from "../../pkg/log/collecting-log.ts";
import type { Command, CommandExit, CommandRunner } from "../../pkg/process/process.ts";
import { systemCommands } from "../../pkg/process/runner.ts";
import type { CmdOptions } from "./cmd-options.ts";
import { CmdTarget } from "./cmd-target.ts";

const NEVER = new AbortController().signal;

let directory: string;
let log: CollectingLog;
let deaths: Fault[];
const targets: CmdTarget[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "cmd-"));
  log = collectingLog();
  deaths = [];
});

afterEach(async () => {
  for (const target of targets.splice(0)) await target.close();
  rmSync(directory, { recursive: true });
});

interface Parts {
  readonly clock?: Clock;
  readonly commands?: CommandRunner;
}

function make(options: Partial<CmdOptions>, { clock = systemClock, commands = systemCommands() }: Parts = {}): CmdTarget {
  const target = new CmdTarget({
    name: "backend",
    endpoints: [],
    options: { command: "sleep 60", env: {}, stop_signal: "SIGINT", stop_timeout: "5s", cwd: directory, ...options },
    log,
    clock,
    commands,
    directory,
    died: (reason) => deaths.push(reason),
  });
  targets.push(target);
  return target;
}

function output(): string[] {
  return log.entries.filter(({ fields }) => fields["stream"] === "output").map(({ message }) => message);
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 400; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("did not happen within 4 s");
}

/** Processes whose environment says that they come from this test's command. */
function left(): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      const isZombie = readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ");
      return !isZombie && readFileSync(`/proc/${pid}/environ`, "latin1").includes(`TEST_MARK=${directory}`);
    } catch {
      return false;
    }
  });
}

describe("static:cmd", { timeout: 20_000 /* a shell in its first milliseconds may not hear a signal */ }, () => {
  it("runs the command while warm, any number of times, and logs its output", async () => {
    const target = make({
      command: "echo $GREETING; echo err >&2; sleep 60",
      env: { GREETING: "hello there", TEST_MARK: directory },
    });
    for (let round = 1; round <= 2; round++) {
      await target.warm(NEVER);
      await until(() => output().length === 2 * round);
      expect(left().length).toBeGreaterThan(0);
      await target.drain();
      expect(left()).toEqual([]);
    }
    await target.close();
    expect(output()).toEqual(["hello there", "err", "hello there", "err"]);
    expect(log.entries.find(({ message }) => message === "err")).toMatchObject({ level: "info", fields: { target: "backend" } });
    expect(readdirSync(directory)).toEqual([]);
    expect(deaths).toEqual([]);
  });

  it("hands over what the command says while it stops, its last words included", async () => {
    const target = make({
      command: "trap 'echo bye; printf last; exit 0' TERM; echo up; while :; do sleep 0.05; done",
      stop_signal: "TERM",
    });
    await target.warm(NEVER);
    await until(() => output().includes("up"));
    await target.drain();
    // the shell may also tell that its sleep was terminated
    expect(output().slice(-2)).toEqual(["bye", "last"]);
  });

  it("interrupts what the shell started, not the shell alone", async () => {
    const script = `import signal, time
def stop(*_):
    print("interrupted", flush=True); raise SystemExit
signal.signal(signal.SIGINT, stop)
print("up", flush=True)
time.sleep(60)`;
    const target = make({ command: `python3 -c '${script}'; true`, env: { TEST_MARK: directory } });
    await target.warm(NEVER);
    await until(() => output().includes("up"));
    const begun = Date.now();
    await target.drain();
    expect(Date.now() - begun).toBeLessThan(1500);
    expect(output()).toEqual(["up", "interrupted"]);
    expect(left()).toEqual([]);
  });

  it("kills what does not stop in time", async () => {
    const target = make({
      command: "trap '' INT TERM; (trap '' INT TERM; sleep 60) & echo up; while :; do sleep 60; done",
      stop_timeout: "200ms",
      env: { TEST_MARK: directory },
    });
    await target.warm(NEVER);
    await until(() => output().includes("up"));
    const begun = Date.now();
    await target.drain();
    expect(Date.now() - begun).toBeGreaterThanOrEqual(199);
    expect(left()).toEqual([]);
    expect(log.messages("warn")).toEqual(["command did not stop in time and is killed"]);
  });

  it("stops a command that is suspended", async () => {
    const target = make({ command: "echo $$; exec sleep 60", stop_signal: "SIGTERM", env: { TEST_MARK: directory } });
    await target.warm(NEVER);
    await until(() => output().length === 1);
    process.kill(Number(output()[0]), "SIGSTOP");
    const begun = Date.now();
    await target.drain();
    expect(Date.now() - begun).toBeLessThan(2000);
  });

  it("tells at once that the command ended, how, and its last words", async () => {
    const target = make({ command: "for n in 1 2 3 4; do echo line $n; done; exit 3" });
    await target.warm(NEVER);
    await until(() => deaths.length === 1);
    expect(deaths[0]).toMatchObject({
      code: "COMMAND_EXITED",
      message: "command ended with exit code 3; its last output: line 2 | line 3 | line 4",
    });
    await target.close();
    expect(deaths).toHaveLength(1);
  });

  it("tells the signal that killed it", async () => {
    const target = make({ command: "kill -9 $$" });
    await target.warm(NEVER);
    await until(() => deaths.length === 1);
    expect(deaths[0]?.message).toBe("command was killed by SIGKILL");
  });

  it("stops what a command that ended leaves behind, and starts anew after that", async () => {
    const target = make({
      command: "sleep 60 & echo up; exit 1",
      // a shell without job control makes its background jobs ignore SIGINT
      stop_signal: "SIGTERM",
      env: { TEST_MARK: directory },
    });
    await target.warm(NEVER);
    await until(() => deaths.length === 1);
    await until(() => left().length === 0);
    await target.warm(NEVER);
    await until(() => deaths.length === 2);
    expect(output()).toEqual(["up", "up"]);
  });

  it("waits with the next start until the one before is gone", async () => {
    const target = make({ command: "trap '' INT; sleep 60 & exit 1", stop_timeout: "300ms", env: { TEST_MARK: directory } });
    await target.warm(NEVER);
    await until(() => deaths.length === 1);
    const before = left();
    expect(before).toHaveLength(1);
    await target.warm(NEVER);
    expect(left()).not.toEqual(expect.arrayContaining(before));
  });

  it("fails to start with a reason, and leaves nothing", async () => {
    const target = make({ cwd: join(directory, "missing") });
    await expect(target.warm(NEVER)).rejects.toMatchObject({ code: "COMMAND_FAILED" });
    await expect(make({ user: "nobody-here" }).warm(NEVER)).rejects.toMatchObject({ code: "USER_UNKNOWN" });
    expect(readdirSync(directory)).toEqual([]);
    await target.close();
  });

  it("starts nothing, or leaves nothing, when the start is called off", async () => {
    const abort = new AbortController();
    const reason = new Error("called off");
    const commands = systemCommands();
    const aborting: CommandRunner = {
      adopt: () => undefined,
      writingTo: () => [],
      start: async (spec) => {
        const command = await commands.start(spec);
        abort.abort(reason);
        return command;
      },
    };
    const target = make({ env: { TEST_MARK: directory } }, { commands: aborting });
    await expect(target.warm(abort.signal)).rejects.toBe(reason);
    expect(left()).toEqual([]);
    await expect(target.warm(abort.signal)).rejects.toBe(reason);
    expect(existsSync(join(directory, "output"))).toBe(false);
  });

  it("runs as the user it is told, with that user's home", async () => {
    const target = make({ command: "echo $(id -u) $(id -G) $HOME $USER; exec sleep 60", user: "nobody", group: 1234, cwd: "/" });
    await target.warm(NEVER);
    await until(() => output().length === 1);
    expect(output()[0]).toMatch(/^65534 1234 \S+ nobody$/);
  });
});

/** A command that ends only as it is told. */
class FakeCommand implements Command {
  readonly pid = 4242;
  readonly identity = undefined;
  readonly signals: string[] = [];
  readonly exited: Promise<CommandExit>;
  alive = true;
  onSignal: (signal: string) => void = () => undefined;
  exit: (exit: CommandExit) => void = () => undefined;

  constructor() {
    this.exited = new Promise((resolve) => {
      this.exit = resolve;
    });
  }

  signalGroup(signal: NodeJS.Signals): boolean {
    this.signals.push(signal);
    this.onSignal(signal);
    return this.alive;
  }

  groupAlive(): boolean {
    return this.alive;
  }
}

describe("static:cmd by the clock", () => {
  function fake(options: Partial<CmdOptions> = {}): { command: FakeCommand; clock: FakeClock; target: CmdTarget } {
    const command = new FakeCommand();
    const clock = new FakeClock();
    return {
      command,
      clock,
      target: make(options, {
        clock,
        commands: { start: () => Promise.resolve(command), adopt: () => undefined, writingTo: () => [] },
      }),
    };
  }

  it("gives the group stop_timeout, then kills it", async () => {
    const { command, clock, target } = fake({ stop_signal: "SIGTERM", stop_timeout: "30s" });
    await target.warm(NEVER);
    const drained = target.drain();
    await clock.advance(29_900);
    expect(command.signals).toEqual(["SIGTERM", "SIGCONT"]);
    command.onSignal = () => {
      command.alive = false;
    };
    await clock.advance(200);
    await drained;
    expect(command.signals).toEqual(["SIGTERM", "SIGCONT", "SIGKILL"]);
  });

  it("is stopped when the group is gone, not when its leader is", async () => {
    const { command, clock, target } = fake();
    await target.warm(NEVER);
    let done = false;
    const drained = target.drain().then(() => (done = true));
    command.exit({ exitCode: 0, signal: null });
    await clock.advance(1000);
    expect(done).toBe(false);
    command.alive = false;
    await clock.advance(50);
    await drained;
    expect(deaths).toEqual([]);
  });

  it("says so when the group can't be killed, and tries again the next time", async () => {
    const { command, clock, target } = fake();
    await target.warm(NEVER);
    const failed = expect(target.drain()).rejects.toMatchObject({ code: "COMMAND_UNKILLABLE" });
    await clock.advance(20_000);
    await failed;
    command.alive = false;
    await target.close();
  });

  it("fails to start when the command has ended by then", async () => {
    const { command, target } = fake();
    command.alive = false;
    command.exit({ exitCode: 127, signal: null });
    await expect(target.warm(NEVER)).rejects.toMatchObject({
      code: "COMMAND_EXITED",
      message: "command ended with exit code 127",
    });
    expect(deaths).toEqual([]);
  });
});

describe("static:cmd after a daemon that is no more", () => {
  /** What a daemon that was killed leaves: its command runs, and nobody looks after it. */
  async function leftOver(options: Partial<CmdOptions>): Promise<void> {
    const target = make(options);
    targets.splice(targets.indexOf(target), 1);
    await target.warm(NEVER);
  }

  function pidOf(): number {
    const record = JSON.parse(readFileSync(join(directory, "command.json"), "utf8")) as { identity: { pid: number } };
    return record.identity.pid;
  }

  it("takes over the command that still runs, goes on with its output, and stops it", async () => {
    await leftOver({ command: "echo before; while :; do sleep 0.05; echo after; done" });
    await until(() => output().includes("before"));
    const pid = pidOf();
    const target = make({ command: "echo before; while :; do sleep 0.05; echo after; done" });
    log.entries.length = 0;
    expect(await target.adopt()).toBe(true);
    await until(() => output().includes("after"));
    expect(output()).not.toContain("before");
    await target.drain();
    expect(existsSync(`/proc/${String(pid)}/cmdline`) && readFileSync(`/proc/${String(pid)}/cmdline`, "utf8") !== "").toBe(false);
    expect(readdirSync(directory)).toEqual([]);
  });

  it("notices the death of a command that it took over", async () => {
    await leftOver({ command: "sleep 60" });
    const target = make({ command: "sleep 60" });
    expect(await target.adopt()).toBe(true);
    process.kill(-pidOf(), "SIGKILL");
    await until(() => deaths.length > 0);
    expect(deaths.at(-1)?.code).toBe("COMMAND_EXITED");
  });

  it("stops a command that was started with other options", async () => {
    await leftOver({ command: "exec sleep 61" });
    const pid = pidOf();
    const target = make({ command: "exec sleep 62" });
    expect(await target.adopt()).toBe(false);
    expect(() => process.kill(-pid, 0)).toThrow("ESRCH");
    expect(readdirSync(directory)).toEqual([]);
  });

  it("stops a command that its daemon could not write down any more, and no other", async () => {
    await leftOver({ command: "exec sleep 63" });
    const pid = pidOf();
    rmSync(join(directory, "command.json"));
    expect(await make({ command: "exec sleep 63" }).adopt()).toBe(false);
    expect(() => process.kill(-pid, 0)).toThrow("ESRCH");
    expect(log.messages("warn")).toContain("stopping a command that a daemon which is no more had just started");
    expect(readdirSync(directory)).toEqual([]);
  });

  it.each([
    ["torn", '{"identity":{"pid":'],
    ["foreign", '{"identity":{"pid":1,"startTicks":"1","bootId":"x"},"options":{}}'],
    ["of no process", '{"identity":{"pid":-1,"startTicks":"1","bootId":"x"},"options":{}}'],
    ["empty", ""],
  ])("ignores a record that is %s, with a warning", async (_how, text) => {
    writeFileSync(join(directory, "command.json"), text);
    expect(await make({}).adopt()).toBe(false);
    expect(log.messages("warn")).toEqual(["ignoring a damaged record of a command"]);
    expect(readdirSync(directory)).toEqual([]);
  });

  it("is not taken in by another process of that number", async () => {
    const identity = {
      pid: process.pid,
      startTicks: "1",
      bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
    };
    writeFileSync(join(directory, "command.json"), JSON.stringify({ identity, options: {} }));
    expect(await make({}).adopt()).toBe(false);
    expect(log.messages("warn")).toEqual([]);
  });
});
