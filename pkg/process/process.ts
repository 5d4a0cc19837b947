/**
 * Package process: programs that the daemon runs.
 *
 * Owns the spawning of processes (runner.ts is the only file that does). Must not know what the programs mean: it
 * hands back exit status and text. Two kinds: a tool runs to its end and is waited for; a command is a service that
 * is to outlive the daemon.
 */

import type { Clock } from "../clock/clock.ts";

export interface ToolResult {
  /** Exit status; null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Long enough for the largest table on a slow machine, since a transaction that is killed must be done again; and short
 * enough that it can be done again while clients are held (30 s by default).
 */
export const DEFAULT_TOOL_TIMEOUT_MS = 10_000;

export interface ToolOptions {
  /** Text for its standard input; none: /dev/null. */
  readonly input?: string;
  readonly signal?: AbortSignal;
  /** Milliseconds until it is killed (default DEFAULT_TOOL_TIMEOUT_MS). */
  readonly timeoutMs?: number;
  /** Called for each line of standard output as it comes; `stdout` is then empty, so memory stays bounded. */
  readonly onLine?: (line: string) => void;
}

/** Runs tools such as nft and iptables. Injected, so that tests can put another network namespace or a fake in between. */
export interface ToolRunner {
  /**
   * Runs `file` with `args`, LC_ALL=C, and resolves when it has ended, whatever its exit status.
   * @throws Fault TOOL_MISSING (no such program), TOOL_TIMEOUT, TOOL_FAILED (could not be run), or the signal's reason
   */
  run(file: string, args: readonly string[], options?: ToolOptions): Promise<ToolResult>;
}

export interface CommandSpec {
  /** Program and its arguments. */
  readonly argv: readonly [string, ...string[]];
  /** Default: the daemon's. */
  readonly cwd?: string;
  /** Added to the daemon's environment, less the variables that systemd means for the daemon itself (NOTIFY_SOCKET and the like). */
  readonly env?: Readonly<Record<string, string>>;
  /** With either of these, supplementary groups are dropped; a gid that is not given stays. */
  readonly uid?: number;
  readonly gid?: number;
  /** File that receives standard output and standard error, appended to: a pipe would end the command with the daemon. */
  readonly output: string;
}

export interface CommandExit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Which process a command's leader is, now and after this daemon's end: no other has the same, also after a reboot. */
export interface CommandIdentity {
  readonly pid: number;
  /** Clock ticks from the machine's start to the process's: field 22 of /proc/PID/stat, proc(5). */
  readonly startTicks: string;
  /** /proc/sys/kernel/random/boot_id, random(4). */
  readonly bootId: string;
}

/** A running command, the leader of a process group of its own. */
export interface Command {
  readonly pid: number;
  /** undefined when it had ended before it could be looked at, or could not be looked at. */
  readonly identity: CommandIdentity | undefined;
  /**
   * Resolves when the group's leader has ended; never rejects. Of one that was adopted, within 100 ms and without a word
   * of how: only the process that started it is told.
   */
  readonly exited: Promise<CommandExit>;
  /** Signals the whole process group; false when there is none any more. Safe after the end: never reaches others. */
  signalGroup(signal: NodeJS.Signals): boolean;
  /** True while any process of the group is left; one that has ended and only waits to be reaped (a zombie) is not. */
  groupAlive(): boolean;
}

export interface CommandRunner {
  /** @throws Fault COMMAND_FAILED when it could not be started (no such directory, no permission, no such program) */
  start(spec: CommandSpec): Promise<Command>;
  /** A command that a daemon which is no more had started; undefined when it has ended. */
  adopt(identity: CommandIdentity, clock: Clock): Command | undefined;
  /** Commands that were started with `output` and still run, whoever started them. */
  writingTo(output: string): CommandIdentity[];
}
