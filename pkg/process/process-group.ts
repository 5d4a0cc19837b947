import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { hasCode } from "../fault/fault.ts";
import type { CommandIdentity } from "./process.ts";

/** The processes of one group. */
export class ProcessGroup {
  readonly #id: number;
  #leaderReaped = false;
  /** Once empty, the number may be given to a group of someone else's. */
  #gone = false;
  /** A process that was in the group when it was last looked at: usually the only one that has to be looked at again. */
  #witness: number;

  constructor(leader: number) {
    this.#id = leader;
    this.#witness = leader;
  }

  /** To be told as soon as the leader is known to be gone: from then on its number may be used again. */
  leaderReaped(): void {
    this.#leaderReaped = true;
    this.alive();
  }

  alive(): boolean {
    this.#gone ||= !this.#exists() || !this.#anyRunning();
    return !this.#gone;
  }

  /** False when there is nobody to signal. */
  signal(signal: NodeJS.Signals): boolean {
    return this.alive() && this.#kill(signal);
  }

  #exists(): boolean {
    // the kernel does not give out a process number while a group has it: a process of that number is a stranger
    if (this.#leaderReaped && existsSync(`/proc/${this.#id}`)) return false;
    return this.#kill(0);
  }

  #kill(signal: NodeJS.Signals | 0): boolean {
    try {
      return process.kill(-this.#id, signal);
    } catch (error) {
      return !hasCode(error, "ESRCH");
    }
  }

  /**
   * kill() reaches zombies too, and where process 1 reaps nobody (many containers) they stay for ever. Where that can't be
   * looked at (no descriptors are left), it is taken to run: "gone" would be for ever.
   */
  #anyRunning(): boolean {
    try {
      if (this.#isRunning(this.#witness)) return true;
      const found = processNumbers().find((pid) => this.#isRunning(pid));
      if (found !== undefined) this.#witness = found;
      return found !== undefined;
    } catch {
      return true;
    }
  }

  #isRunning(pid: number): boolean {
    const status = processStatus(pid);
    return status?.group === this.#id && isRunningState(status.state);
  }
}

/**
 * Which process a running one is; undefined for one that is not there, or has ended and waits to be reaped.
 * @throws a system error when that cannot be found out, such as for want of descriptors
 */
export function identityOf(pid: number): CommandIdentity | undefined {
  const status = processStatus(pid);
  if (status === undefined || !isRunningState(status.state)) return undefined;
  return { pid, startTicks: status.startTicks, bootId: readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim() };
}

/** The leaders of process groups whose standard output is the file `path`: commands that were started with it. */
export function leadersWritingTo(path: string): CommandIdentity[] {
  const output = statSync(path, { throwIfNoEntry: false });
  if (output === undefined) return [];
  return processNumbers().flatMap((pid) => {
    try {
      const { dev, ino } = statSync(`/proc/${pid}/fd/1`);
      const isLeader = dev === output.dev && ino === output.ino && processStatus(pid)?.group === pid;
      return isLeader ? (identityOf(pid) ?? []) : [];
    } catch {
      // gone, or another user's, whom this daemon did not start
      return [];
    }
  });
}

/** Whether `value`, which was read from a file, is one. */
export function isIdentity(value: unknown): value is CommandIdentity {
  if (typeof value !== "object" || value === null) return false;
  const { pid, startTicks, bootId } = value as Partial<Record<keyof CommandIdentity, unknown>>;
  // a negative number or 0 would mean process groups to kill(2), and 1 is nobody's command
  return (
    Number.isSafeInteger(pid) &&
    Number(pid) > 1 &&
    typeof startTicks === "string" &&
    startTicks !== "" &&
    typeof bootId === "string"
  );
}

/** As sameIdentity(), of the process that now has the number; true where that cannot be found out. */
export function isStill(identity: CommandIdentity): boolean {
  try {
    return sameIdentity(identity, identityOf(identity.pid));
  } catch {
    return true;
  }
}

export function sameIdentity(a: CommandIdentity, b: CommandIdentity | undefined): boolean {
  return a.pid === b?.pid && a.startTicks === b.startTicks && a.bootId === b.bootId;
}

function isRunningState(state: string): boolean {
  return state !== "Z" && state !== "X";
}

function processNumbers(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number);
}

interface ProcessStatus {
  readonly state: string;
  readonly group: number;
  readonly startTicks: string;
}

/** From /proc/PID/stat, proc(5): `pid (name) state ppid pgrp …`, where the name may hold anything, parentheses too. */
function processStatus(pid: number): ProcessStatus | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch (error) {
    // ESRCH: it went between open and read
    if (hasCode(error, "ENOENT") || hasCode(error, "ESRCH")) return undefined;
    throw error;
  }
  // from the third field on; the 22nd is the start
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", group: Number(fields[2]), startTicks: fields[19] ?? "" };
}
