/**
 * Package listen: where the daemon and its plugins listen.
 *
 * Owns how a Unix socket's file comes and goes, and why an address cannot be had, in words. Must not know what is served there.
 */
import type { Stats } from "node:fs";
import { chmod, lchown, lstat, mkdtemp, rename, rm, unlink } from "node:fs/promises";
import { connect, type Server } from "node:net";
import { dirname } from "node:path";
import { Fault, hasCode } from "../fault/fault.ts";
import { findFlaw, trustedUsers } from "../trust/trust.ts";

/** sun_path holds 107 bytes and a zero; the socket is bound under a name that is nine longer, see below. */
const LONGEST_PATH = 107 - ".XXXXXX/s".length;

/** A socket file that is ours as long as the inode is the same. */
export interface SocketFile extends SocketPlace {
  readonly device: number;
  readonly inode: number;
}

export interface SocketPlace {
  readonly path: string;
  /** Group of the file; undefined: the daemon's own. */
  readonly gid: number | undefined;
  /** What messages call it, such as "control socket". */
  readonly noun: string;
}

/**
 * Makes `server` listen at `path`, mode 0660, group `gid` if given. A file left by a dead daemon is replaced.
 *
 * The socket is bound in a private directory (0700), given its owner and mode there, and then renamed into place: at no
 * moment can anybody connect who may not, whatever the umask, and a stale file is replaced atomically. It also keeps
 * libuv, which unlinks the name that it bound when the server closes, away from `path`, where by then another daemon's
 * socket may be.
 * @throws Fault SOCKET_IN_USE, SOCKET_FAILED; nothing is left behind, and the server does not listen
 */
export async function listenAt(server: Server, place: SocketPlace): Promise<SocketFile> {
  const { path, gid } = place;
  const stale = await examinePlace(place);
  const directory = await mkdtemp(`${path}.`).catch((error: unknown) => {
    if (!hasCode(error, "ENOENT")) throw failed(place, undefined, error);
    throw failed(place, `the directory ${dirname(path)} does not exist; create it, or choose another place for the socket`);
  });
  try {
    const bound = `${directory}/s`;
    await listen(server, bound);
    if (gid !== undefined) await lchown(bound, -1, gid);
    await chmod(bound, 0o660);
    const { dev: device, ino: inode } = await lstat(bound);
    if ((await lstatIfAny(place))?.ino !== stale?.ino) throw inUse(place, "it appeared just now");
    await rename(bound, path);
    return { ...place, device, inode };
  } catch (error) {
    server.close();
    throw error instanceof Fault ? error : failed(place, undefined, error);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What a new socket would replace. Changes nothing. @throws Fault SOCKET_IN_USE, SOCKET_FAILED */
export async function examinePlace(place: SocketPlace): Promise<Stats | undefined> {
  const length = Buffer.byteLength(place.path);
  if (length > LONGEST_PATH) {
    throw failed(place, `the path is ${length} bytes long, and a socket's can be ${LONGEST_PATH} at most`);
  }
  await refuseUnsafe(place);
  return examine(place);
}

/** Whoever could replace the socket would be told what its clients tell the daemon. In a directory like /tmp nobody can, once it is there. */
async function refuseUnsafe(place: SocketPlace): Promise<void> {
  const { path, gid } = place;
  const { users, groups } = await trustedUsers();
  const flaw = await findFlaw(dirname(path), { users, groups: gid === undefined ? groups : new Set([...groups, gid]) });
  if (flaw !== undefined) throw failed(place, `other users could replace it, since ${flaw.what}; try: ${flaw.remedy}`);
}

/** Removes the file, unless somebody else's is there by now. */
export async function removeSocketFile(file: SocketFile): Promise<void> {
  if (await isInPlace(file)) await unlink(file.path);
}

/** False: it was removed, or something else is there. @throws Fault SOCKET_FAILED when that cannot be found out */
export async function isInPlace(file: SocketFile): Promise<boolean> {
  const there = await lstatIfAny(file);
  return there?.ino === file.inode && there.dev === file.device;
}

/** What may be replaced at `path`: nothing, or a socket on which nobody listens. */
async function examine(place: SocketPlace): Promise<Stats | undefined> {
  const there = await lstatIfAny(place);
  if (there === undefined) return undefined;
  if (!there.isSocket()) {
    const what = there.isDirectory() ? "directory" : there.isSymbolicLink() ? "symbolic link" : "file";
    throw inUse(place, `it is a ${what} and not a socket; remove it, or choose another place for the socket`);
  }
  const error = await connectError(place.path);
  if (hasCode(error, "ECONNREFUSED") || hasCode(error, "ENOENT")) return there;
  // EAGAIN: somebody listens, whose backlog is full
  if (error === undefined || hasCode(error, "EAGAIN")) {
    throw inUse(place, "a process listens on it; if that is another proxygw, stop it, or give each a socket of its own");
  }
  throw inUse(place, "whether a process uses it cannot be found out", error);
}

function connectError(path: string): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("error", resolve);
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function lstatIfAny(place: SocketPlace): Promise<Stats | undefined> {
  try {
    return await lstat(place.path);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw failed(place, undefined, error);
  }
}

function inUse({ path, noun }: SocketPlace, why: string, cause?: unknown): Fault {
  return new Fault("SOCKET_IN_USE", `the ${noun} ${path} cannot be opened: ${why}`, { cause });
}

function failed({ path, noun }: SocketPlace, why?: string, cause?: unknown): Fault {
  const reason = why === undefined ? "" : `: ${why}`;
  return new Fault("SOCKET_FAILED", `the ${noun} ${path} cannot be opened${reason}`, { cause });
}
