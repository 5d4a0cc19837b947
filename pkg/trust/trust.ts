/**
 * Package trust: who could change what a path leads to.
 *
 * Owns the rules for files that decide what the daemon does, as those of sshd, sudo and cron: they, and every directory and
 * symbolic link on the way to them, must be changeable by trusted users only. Must not decide what follows from a flaw.
 */
import type { Stats } from "node:fs";
import { lstat, readFile, readlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

export interface Trusted {
  readonly users: ReadonlySet<number>;
  readonly groups: ReadonlySet<number>;
}

/** Where others could interfere, as a clause for people, and what would put it right. */
export interface Flaw {
  readonly what: string;
  readonly remedy: string;
}

/** As the kernel: path_resolution(7). */
const MOST_LINKS = 40;
const WRITABLE_BY_GROUP = 0o020;
const WRITABLE_BY_OTHERS = 0o002;
/** In such a directory, only the owner of an entry can remove or rename it. */
const STICKY = 0o1000;
const WHOLE_ID_RANGE = /^\s*0\s+0\s+4294967295\s*$/;

/** Root, this process's own user, and `more`. */
export async function trustedUsers(more: readonly number[] = []): Promise<Trusted> {
  const users = new Set([0, ...more]);
  const own = process.geteuid?.();
  if (own !== undefined) users.add(own);
  // in a user namespace, everybody who has no number there is shown with this one, the machine's root too
  const [map, overflow] = await Promise.all([text("/proc/self/uid_map"), text("/proc/sys/kernel/overflowuid")]);
  if (map !== "" && !WHOLE_ID_RANGE.test(map) && overflow !== "") users.add(Number(overflow));
  return { users, groups: new Set([0]) };
}

function text(file: string): Promise<string> {
  return readFile(file, "latin1").catch(() => "");
}

/**
 * The first flaw on the way to `path`, or in what is there; undefined: there is none, or it is no file or directory (a
 * pipe belongs to whoever handed it over). What is missing is no flaw either. @throws a system error
 */
export async function findFlaw(path: string, trusted: Trusted): Promise<Flaw | undefined> {
  let links = 0;
  let at = "/";
  const left = resolve(path).split("/").filter(Boolean);
  for (;;) {
    const status = await lstatIfAny(at);
    if (status === undefined) return undefined;
    if (status.isSymbolicLink()) {
      if (!trusted.users.has(status.uid)) return foreign(at, status);
      const target = await readlink(at);
      // one of an open file, in /proc: not a path at all
      if (/^\w+:\[/.test(target) || ++links > MOST_LINKS) return undefined;
      left.unshift(...resolve(dirname(at), target).split("/").filter(Boolean));
      at = "/";
      continue;
    }
    if (!status.isDirectory() && !status.isFile()) return undefined;
    const flaw = flawOf(at, status, trusted);
    if (flaw !== undefined) return flaw;
    const next = left.shift();
    if (next === undefined) return undefined;
    at = join(at, next);
  }
}

/** Of a file or directory by itself. */
export function flawOf(path: string, status: Stats, { users, groups }: Trusted): Flaw | undefined {
  const { uid, gid, mode } = status;
  if (!users.has(uid)) return foreign(path, status);
  if (status.isDirectory() && (mode & STICKY) !== 0) return undefined;
  if ((mode & WRITABLE_BY_OTHERS) !== 0) return { what: `everybody can write to ${path}`, remedy: `chmod o-w ${path}` };
  // a group with the number of the owner is that user's alone, as useradd(8) makes it
  if ((mode & WRITABLE_BY_GROUP) !== 0 && !groups.has(gid) && gid !== uid)
    return { what: `the group ${gid} can write to ${path}`, remedy: `chmod g-w ${path}` };
  return undefined;
}

function foreign(path: string, { uid }: Stats): Flaw {
  return { what: `${path} belongs to the user ${uid}`, remedy: `chown -h root ${path}` };
}

async function lstatIfAny(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
    throw error;
  }
}
