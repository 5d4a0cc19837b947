import { getSystemErrorName } from "node:util";
import { type Libc, loadLibc } from "./libc.ts";

/** Who listens on a Unix socket. */
export interface Peer {
  readonly pid: number;
  readonly uid: number;
}

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred: pid, uid, gid. */
const CREDENTIALS_BYTES = 12;

/**
 * Who listens on the abstract Unix stream socket `name` (without the zero byte) of this network namespace, in the kernel's
 * words (SO_PEERCRED, unix(7)); never waits. undefined: nobody. "unknown": more connections wait there than are accepted.
 * @throws Fault FFI_UNAVAILABLE
 */
export async function abstractPeer(name: string): Promise<Peer | "unknown" | undefined> {
  const libc = await loadLibc();
  const descriptor = libc.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return "unknown";
  try {
    const bytes = Buffer.from(`\0${name}`);
    const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), bytes]);
    if (libc.connect(descriptor, address, address.length) < 0)
      return getSystemErrorName(-libc.errno()) === "ECONNREFUSED" ? undefined : "unknown";
    return credentials(libc, descriptor) ?? "unknown";
  } finally {
    libc.close(descriptor);
  }
}

function credentials(libc: Libc, descriptor: number): Peer | undefined {
  const value = Buffer.alloc(CREDENTIALS_BYTES);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(value.length);
  if (libc.getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, value, length) < 0) return undefined;
  return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4) };
}
