import { existsSync, readdirSync, readFileSync } from "node:fs";
import { hasCode } from "../fault/fault.ts";

/** The processes of one group, led by a process that this one started and reaps. */
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

  /** To be told at once when the leader has been reaped: from then on its number may be used again. */
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

  /** kill() reaches zombies too, and where process 1 reaps nobody (many containers) they stay for ever. */
  #anyRunning(): boolean {
    if (this.#isRunning(this.#witness)) return true;
    const found = processNumbers().find((pid) => this.#isRunning(pid));
    if (found !== undefined) this.#witness = found;
    return found !== undefined;
  }

  #isRunning(pid: number): boolean {
    const status = processStatus(pid);
    return status?.group === this.#id && status.state !== "Z" && status.state !== "X";
  }
}

function processNumbers(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number);
}

/** From /proc/PID/stat, proc(5): `pid (name) state ppid pgrp …`, where the name may hold anything, parentheses too. */
function processStatus(pid: number): { readonly state: string; readonly group: number } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  const [state = "", , group] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state, group: Number(group) };
}
