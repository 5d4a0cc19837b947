import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ProcessGroup } from "./process-group.ts";
import type { Command, CommandSpec } from "./process.ts";
import { systemCommands, systemTools } from "./runner.ts";

let directory: string;
let output: string;
const started: Command[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "process-"));
  output = join(directory, "output");
});

afterEach(async () => {
  for (const command of started.splice(0)) {
    command.signalGroup("SIGKILL");
    await gone(command);
  }
  rmSync(directory, { recursive: true });
});

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("did not happen within 5 s");
}

function gone(command: Command): Promise<void> {
  return until(() => !command.groupAlive());
}

describe("a tool", () => {
  const tools = systemTools();

  it("gives status and text, whatever the status", async () => {
    expect(await tools.run("sh", ["-c", "echo out; echo err >&2; exit 3"])).toEqual({
      exitCode: 3,
      stdout: "out\n",
      stderr: "err\n",
    });
  });

  it("has LC_ALL=C, sbin in its path, and nothing on standard input", async () => {
    const { stdout } = await systemTools({ PATH: "/usr/bin", LC_ALL: "de_DE.UTF-8" }).run("sh", [
      "-c",
      'echo "$LC_ALL $PATH"; cat',
    ]);
    expect(stdout).toBe("C /usr/bin:/usr/sbin:/sbin:/bin\n");
  });

  it("is found in sbin by the daemon as well", async () => {
    expect((await systemTools({}).run("nft", ["--version"])).stdout).toMatch(/^nftables/);
  });

  it("is given text on standard input", async () => {
    const input = "täxt\n".repeat(100_000);
    expect((await tools.run("cat", [], { input })).stdout).toBe(input);
    expect((await tools.run("true", [], { input })).exitCode).toBe(0);
  });

  it("has no status when a signal ended it", async () => {
    expect((await tools.run("sh", ["-c", "kill -9 $$"])).exitCode).toBeNull();
  });

  it("that is missing is a fault", async () => {
    await expect(tools.run("no-such-program", [])).rejects.toMatchObject({ code: "TOOL_MISSING" });
    const file = join(directory, "not-executable");
    writeFileSync(file, "");
    await expect(tools.run(file, [])).rejects.toMatchObject({ code: "TOOL_FAILED" });
  });

  it("that takes too long is killed, without waiting for those it left behind", async () => {
    const pids = join(directory, "pids");
    for (const end of ["wait", "exit"]) {
      const begun = Date.now();
      const run = tools.run("sh", ["-c", `sleep 20 & echo $! > ${pids}; ${end}`], { timeoutMs: 300 });
      await expect(run).rejects.toMatchObject({ code: "TOOL_TIMEOUT" });
      expect(Date.now() - begun).toBeLessThan(2000);
      process.kill(Number(readFileSync(pids, "utf8")), "SIGKILL");
    }
  });

  it("ends with the signal's reason", async () => {
    const abort = new AbortController();
    const reason = new Error("enough");
    const run = tools.run("sleep", ["20"], { signal: abort.signal });
    setTimeout(() => {
      abort.abort(reason);
    }, 50);
    await expect(run).rejects.toBe(reason);
    await expect(tools.run("sleep", ["20"], { signal: abort.signal })).rejects.toBe(reason);
  });

  it("hands over lines as they come", async () => {
    const lines: string[] = [];
    const result = await tools.run("sh", ["-c", "printf 'a\\nb'; echo err >&2; exit 2"], { onLine: (line) => lines.push(line) });
    expect(lines).toEqual(["a", "b"]);
    expect(result).toEqual({ exitCode: 2, stdout: "", stderr: "err\n" });
  });

  it("loses no line of many", async () => {
    let sum = 0;
    await tools.run("seq", ["200000"], { onLine: (line) => (sum += Number(line)) });
    expect(sum).toBe((200_000 * 200_001) / 2);
  });

  it("is killed when the taker of lines throws", async () => {
    const failure = new Error("bad line");
    const run = tools.run("sh", ["-c", "echo x; exec sleep 20"], {
      onLine: () => {
        throw failure;
      },
    });
    await expect(run).rejects.toBe(failure);
  });
});

describe("a command", () => {
  async function start(script: string, spec: Partial<CommandSpec> = {}): Promise<Command> {
    const command = await systemCommands().start({ argv: ["/bin/sh", "-c", script], output, ...spec });
    started.push(command);
    return command;
  }

  it("tells how it ended and appends to its output", async () => {
    writeFileSync(output, "before\n");
    expect(await (await start("echo out; echo err >&2; exit 3")).exited).toEqual({ exitCode: 3, signal: null });
    expect(readFileSync(output, "utf8")).toBe("before\nout\nerr\n");
    expect(await (await start("kill -9 $$")).exited).toEqual({ exitCode: null, signal: "SIGKILL" });
  });

  it("leads a group and a session of its own", async () => {
    const command = await start("cat /proc/$$/stat");
    await command.exited;
    const [, , group, session] = readFileSync(output, "utf8").split(") ")[1]?.split(" ") ?? [];
    expect([Number(group), Number(session)]).toEqual([command.pid, command.pid]);
  });

  it("has no descriptor of the daemon's", async () => {
    await using server = createServer().listen(0, "127.0.0.1");
    const file = openSync("/etc/passwd", "r");
    const { pid } = await start("exec sleep 20");
    closeSync(file);
    expect(server.listening).toBe(true);
    await until(() => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "sleep");
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => `${fd} ${readlinkSync(`/proc/${pid}/fd/${fd}`)}`);
    const [stdin, stdout, stderr, ...others] = links;
    expect([stdin, stdout, stderr]).toEqual(["0 /dev/null", `1 ${output}`, `2 ${output}`]);
    // above 15, Node leaves alone what it was started with itself
    expect(others.filter((line) => !keptOverExec(Number(line.split(" ")[0])))).toEqual([]);
  });

  function keptOverExec(fd: number): boolean {
    const flags = /flags:\s*([0-7]+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "";
    return (parseInt(flags, 8) & 0o2000000) === 0;
  }

  it("has the daemon's environment less systemd's, and its own", async () => {
    const daemon = { PATH: "/usr/bin:/bin", KEPT: "1", CHANGED: "1", NOTIFY_SOCKET: "/x", WATCHDOG_USEC: "1", LISTEN_FDS: "1" };
    const argv = ["/usr/bin/env"] as const;
    const command = await systemCommands(daemon).start({
      argv,
      output,
      cwd: directory,
      env: { CHANGED: "2", WATCHDOG_PID: "own" },
    });
    await command.exited;
    expect(readFileSync(output, "utf8").trimEnd().split("\n").sort()).toEqual([
      "CHANGED=2",
      "KEPT=1",
      "PATH=/usr/bin:/bin",
      "WATCHDOG_PID=own",
    ]);
  });

  it("runs as another user and group, without supplementary groups", async () => {
    chmodSync(directory, 0o755);
    await (
      await start("id -u; id -G; pwd", { uid: 12345, gid: 23456, cwd: directory })
    ).exited;
    expect(readFileSync(output, "utf8")).toBe(`12345\n23456\n${directory}\n`);
    expect(statSync(output).mode & 0o777).toBe(0o600);
  });

  it("that can't be started is a fault that says why, and leaves no process", async () => {
    const fails = (spec: Partial<CommandSpec>): Promise<unknown> =>
      systemCommands()
        .start({ argv: ["/bin/true"], output, ...spec })
        .catch((error: unknown) => error);
    expect(await fails({ cwd: join(directory, "x") })).toMatchObject({
      code: "COMMAND_FAILED",
      message: expect.stringContaining("does not exist") as string,
    });
    expect(await fails({ cwd: "/etc/passwd" })).toMatchObject({
      message: expect.stringContaining("is not a directory") as string,
    });
    expect(await fails({ argv: ["/no/such/program"] })).toMatchObject({
      code: "COMMAND_FAILED",
      message: expect.stringContaining("there is no such program") as string,
    });
    expect(await fails({ argv: ["/etc/passwd"] })).toMatchObject({ message: expect.stringContaining("no permission") as string });
    expect(await fails({ argv: ["/bin/echo", "a\0b"] })).toMatchObject({ code: "COMMAND_FAILED" });
    expect(await fails({ output: join(directory, "x", "y") })).toMatchObject({ code: "COMMAND_FAILED" });
  });

  it("is signalled with all its group", async () => {
    const command = await start("sleep 20 & sleep 20 & wait");
    expect(command.groupAlive()).toBe(true);
    expect(command.signalGroup("SIGTERM")).toBe(true);
    expect(await command.exited).toEqual({ exitCode: null, signal: "SIGTERM" });
    await gone(command);
    expect(command.signalGroup("SIGTERM")).toBe(false);
  });

  it("has a living group while any member is left, though its leader ended", async () => {
    const command = await start("sleep 20 & exit 0");
    await command.exited;
    expect(command.groupAlive()).toBe(true);
    expect(command.signalGroup("SIGKILL")).toBe(true);
    await gone(command);
  });

  it("is not kept alive by a member that has ended and is never reaped", async () => {
    const pidFile = join(directory, "pid");
    // a process outside the group, which never waits, is the parent of one that joins the group and ends
    const command = await start("sleep 20");
    const parent = await systemCommands().start({
      argv: [
        "python3",
        "-c",
        `import os, sys, time
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os._exit(0)
open(sys.argv[1], "w").write(str(pid))
time.sleep(20)`,
        pidFile,
      ],
      output,
    });
    started.push(parent);
    await until(() => existsSync(pidFile) && readFileSync(pidFile, "utf8") !== "");
    const zombie = Number(readFileSync(pidFile, "utf8"));
    await until(() => readFileSync(`/proc/${zombie}/stat`, "latin1").includes(") Z "));
    expect(process.kill(-zombie, 0)).toBe(true);
    expect(new ProcessGroup(zombie).alive()).toBe(false);
    expect(command.groupAlive()).toBe(true);
  });

  it("outlives the daemon and goes on writing, and does not keep it from ending", async () => {
    const runner = new URL("./runner.ts", import.meta.url).pathname;
    const daemon = join(directory, "daemon.mts");
    writeFileSync(
      daemon,
      `import { systemCommands } from ${JSON.stringify(runner)};
       systemCommands().start({ argv: ["/bin/sh", "-c", "echo one; sleep 0.5; echo two; echo three >&2"], output: ${JSON.stringify(output)} })
         .then((command) => console.log(command.pid));`,
    );
    const begun = Date.now();
    const ended = spawnSync("node", ["--import", "tsx", daemon], { encoding: "utf8", cwd: join(import.meta.dirname, "../..") });
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(Date.now() - begun).toBeLessThan(5000);
    await until(() => readFileSync(output, "utf8").includes("three"));
    expect(readFileSync(output, "utf8")).toBe("one\ntwo\nthree\n");
  });
});
