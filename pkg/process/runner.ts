/** The only file that spawns processes. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { execa } from "execa";
import type { Clock } from "../clock/clock.ts";
import { Fault, hasCode } from "../fault/fault.ts";
import { LineSplitter } from "./line-splitter.ts";
import { DEFAULT_TOOL_TIMEOUT_MS } from "./process.ts";
import { identityOf, leadersWritingTo, isStill, ProcessGroup, sameIdentity } from "./process-group.ts";
import type {
  Command,
  CommandExit,
  CommandIdentity,
  CommandRunner,
  CommandSpec,
  ToolOptions,
  ToolResult,
  ToolRunner,
} from "./process.ts";

/** What SIGKILL does not end by then waits in the kernel, and may do so for ever. */
const KILL_MS = 2000;
/** Longer than any line that a tool means to write. */
const TOOL_LINE_BYTES = 1024 * 1024;

type Environment = Readonly<Record<string, string | undefined>>;

export function systemTools(env: Environment = process.env): ToolRunner {
  return { run: (file, args, options = {}) => runTool(env, file, args, options) };
}

async function runTool(env: Environment, file: string, args: readonly string[], options: ToolOptions): Promise<ToolResult> {
  const { input, signal, timeoutMs = DEFAULT_TOOL_TIMEOUT_MS, onLine } = options;
  signal?.throwIfAborted();
  checkDescriptors(file);
  const child = execa(file, args, {
    env: { ...env, PATH: toolPath(env["PATH"]), LC_ALL: "C" },
    extendEnv: false,
    ...(input === undefined ? { stdin: "ignore" } : { input }),
    buffer: { stdout: onLine === undefined, stderr: true },
    stripFinalNewline: false,
    reject: false,
    // else it would listen for signals that are the daemon's to handle, and a transaction begun is better finished
    cleanup: false,
  });
  let grace: NodeJS.Timeout | undefined;
  let giveUp: (fault: Fault) => void = () => undefined;
  const givenUp = new Promise<never>((_resolve, reject) => {
    giveUp = reject;
  });
  const end = (): void => {
    child.kill("SIGKILL");
    // a process that the tool left behind may hold its output open, and must not be waited for
    child.stdout.destroy();
    child.stderr.destroy();
    grace ??= setTimeout(() => {
      giveUp(new Fault("TOOL_TIMEOUT", `${file} did not end within ${timeoutMs} ms, nor when it was killed`));
    }, KILL_MS);
  };
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort();
    end();
  }, timeoutMs);
  signal?.addEventListener("abort", end, { once: true });
  try {
    const lines = onLine === undefined ? undefined : handOver(child, onLine, end);
    const result = await Promise.race([child, givenUp]);
    signal?.throwIfAborted();
    if (deadline.signal.aborted) throw new Fault("TOOL_TIMEOUT", `${file} did not end within ${timeoutMs} ms and was killed`);
    if (lines?.error !== undefined) throw lines.error.thrown;
    if (result.exitCode === undefined && result.signal === undefined) throw toolFault(file, result);
    return { exitCode: result.exitCode ?? null, stdout: onLine === undefined ? result.stdout : "", stderr: result.stderr };
  } finally {
    clearTimeout(timer);
    clearTimeout(grace);
    signal?.removeEventListener("abort", end);
  }
}

/** What it takes to start a process: three pairs for its streams, and a pipe on which libuv hears that it was started. */
const SPAWN_DESCRIPTORS = 9;

/**
 * Where descriptors are used up, execa throws (subprocess.stdio is not iterable) before it listens for the child's error,
 * which comes all the same and, heard by nobody, would end the daemon.
 */
function checkDescriptors(file: string): void {
  const spare: number[] = [];
  try {
    while (spare.length < SPAWN_DESCRIPTORS) spare.push(openSync("/dev/null", "r"));
  } catch (cause) {
    throw new Fault("TOOL_FAILED", `${file} could not be run`, { cause });
  } finally {
    for (const descriptor of spare) closeSync(descriptor);
  }
}

interface HandOver {
  /** What onLine threw; the tool is killed then. */
  error?: { readonly thrown: unknown };
}

function handOver(child: ChildProcess, onLine: (line: string) => void, end: () => void): HandOver {
  const state: HandOver = {};
  const splitter = new LineSplitter(TOOL_LINE_BYTES, onLine);
  const guarded = (step: () => void): void => {
    if (state.error !== undefined) return;
    try {
      step();
    } catch (thrown) {
      state.error = { thrown };
      end();
    }
  };
  child.stdout?.on("data", (chunk: Buffer) => {
    guarded(() => {
      splitter.push(chunk);
    });
  });
  child.stdout?.once("end", () => {
    guarded(() => {
      splitter.end();
    });
  });
  return state;
}

/** nft and iptables live in sbin, which a PATH set up for a person often lacks. */
function toolPath(path = ""): string {
  const folders = path.split(":").filter((folder) => folder !== "");
  return [...new Set([...folders, "/usr/sbin", "/sbin", "/usr/bin", "/bin"])].join(":");
}

function toolFault(file: string, error: { readonly code?: string | undefined; readonly cause?: unknown }): Fault {
  if (error.code === "ENOENT")
    return new Fault("TOOL_MISSING", `there is no program "${file}"; is it installed?`, { cause: error.cause });
  return new Fault("TOOL_FAILED", `${file} could not be run`, { cause: error.cause });
}

export function systemCommands(env: Environment = process.env): CommandRunner {
  return { start: (spec) => startCommand(env, spec), adopt: adoptCommand, writingTo: leadersWritingTo };
}

async function startCommand(env: Environment, spec: CommandSpec): Promise<Command> {
  checkDirectory(spec.cwd);
  const output = openCommandOutput(spec.output);
  try {
    const child = spawnCommand(env, spec, output);
    try {
      await once(child, "spawn");
    } catch (error) {
      throw commandFault(spec, error);
    }
    return commandOf(child);
  } finally {
    closeSync(output);
  }
}

function spawnCommand(env: Environment, spec: CommandSpec, output: number): ChildProcess {
  const [file, ...args] = hasAmbientCapabilities() ? withoutCapabilities(spec.argv) : spec.argv;
  try {
    const child = spawn(file, args, {
      env: { ...ownVariablesRemoved(env), ...spec.env },
      ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
      ...(spec.uid === undefined ? {} : { uid: spec.uid }),
      ...(spec.gid === undefined ? {} : { gid: spec.gid }),
      // a session, and so a process group, of its own: neither a terminal's signals nor its hang-up reach it
      detached: true,
      stdio: ["ignore", output, output],
    });
    // the daemon may end without it
    child.unref();
    return child;
  } catch (error) {
    throw commandFault(spec, error);
  }
}

/**
 * Those of a daemon that does not run as root are ambient, so that nft has them: every program that it starts does then,
 * capabilities(7). A root daemon's commands have them as root, or lose them as they become another user.
 */
function hasAmbientCapabilities(): boolean {
  return /^CapAmb:\s*0*[1-9a-f]/im.test(readFileSync("/proc/self/status", "latin1"));
}

/** It replaces itself by the command, so the process is the same. */
function withoutCapabilities(argv: CommandSpec["argv"]): CommandSpec["argv"] {
  return ["/usr/bin/setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--", ...argv];
}

function commandOf(child: ChildProcess): Command {
  // it has one: it was spawned
  const pid = child.pid ?? 0;
  const group = new ProcessGroup(pid);
  const exited = new Promise<CommandExit>((resolve) => {
    child.once("exit", (exitCode, signal) => {
      group.leaderReaped();
      resolve({ exitCode, signal });
    });
  });
  return commandLed(group, exited, pid, identityIfKnown(pid));
}

/** It runs, whether or not it can be looked at. */
function identityIfKnown(pid: number): CommandIdentity | undefined {
  try {
    return identityOf(pid);
  } catch {
    return undefined;
  }
}

function commandLed(
  group: ProcessGroup,
  exited: Promise<CommandExit>,
  pid: number,
  identity: CommandIdentity | undefined,
): Command {
  return { pid, identity, exited, signalGroup: (signal) => group.signal(signal), groupAlive: () => group.alive() };
}

/** Only a parent is told of a process's end: of anybody else's child one finds out by looking. */
const LOOK_MS = 100;

function adoptCommand(identity: CommandIdentity, clock: Clock): Command | undefined {
  if (!sameIdentity(identity, identityOf(identity.pid))) return undefined;
  const group = new ProcessGroup(identity.pid);
  const ended = async (): Promise<CommandExit> => {
    while (isStill(identity)) await clock.sleep(LOOK_MS);
    group.leaderReaped();
    return { exitCode: null, signal: null };
  };
  return commandLed(group, ended(), identity.pid, identity);
}

/** What systemd tells its service by, and no other process: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3). */
const OWN_VARIABLES = /^(?:NOTIFY_SOCKET|WATCHDOG_.*|LISTEN_.*)$/;

function ownVariablesRemoved(env: Environment): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !OWN_VARIABLES.test(name)));
}

/** A missing directory and a missing program are the same error to spawn. */
function checkDirectory(cwd: string | undefined): void {
  if (cwd === undefined) return;
  try {
    if (statSync(cwd).isDirectory()) return;
  } catch (error) {
    const why = hasCode(error, "ENOENT") ? "does not exist" : "cannot be used";
    throw new Fault("COMMAND_FAILED", `the command's working directory "${cwd}" ${why}`, { cause: error });
  }
  throw new Fault("COMMAND_FAILED", `the command's working directory "${cwd}" is not a directory`);
}

function openCommandOutput(path: string): number {
  try {
    return openSync(path, "a", 0o600);
  } catch (error) {
    throw new Fault("COMMAND_FAILED", `the file for the command's output, "${path}", cannot be opened`, { cause: error });
  }
}

function commandFault(spec: CommandSpec, cause: unknown): Fault {
  const [file] = spec.argv;
  return new Fault("COMMAND_FAILED", `"${file}" could not be started: ${whyNotStarted(spec, cause)}`, { cause });
}

function whyNotStarted(spec: CommandSpec, error: unknown): string {
  if (hasCode(error, "ENOENT")) return "there is no such program, or no such interpreter for it";
  if (hasCode(error, "EACCES")) return "no permission to execute it or to enter its working directory";
  if (hasCode(error, "EPERM"))
    return `no permission to become user ${spec.uid ?? "-"} and group ${spec.gid ?? "-"}; run proxygw as root`;
  return "the system refused";
}
