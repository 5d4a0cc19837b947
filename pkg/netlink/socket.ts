/**
 * A netlink socket of the netfilter family, through libc.
 *
 * Waiting is done by the event loop itself, with koffi's binding of uv_poll: no thread, no wake-up while nothing comes,
 * nothing to interrupt at the end. Seen from packet to callback: 40 µs at the median; a thread of one's own with a
 * blocking recv takes 105 to 140 µs and 11 MiB, an asynchronous recv of koffi's 80 µs and one of the four threads on
 * which files and host names are read too (with four such waits fs.stat took as long as they did), and with either the
 * process does not end until another packet comes. Node itself refuses the descriptor (ERR_INVALID_FD_TYPE: no file,
 * pipe, terminal, TCP or UDP).
 */
import { getSystemErrorMap } from "node:util";
import { Fault, hasCode } from "../fault/fault.ts";
import { type Libc, loadLibc, type Poll } from "./libc.ts";

export interface NetlinkSocket {
  /**
   * Hands messages to the kernel, which has acted on them when this returns; its answers can be received then.
   * @throws Fault named after errno
   */
  send(messages: Buffer): void;
  /**
   * Takes one datagram out of the receive buffer. Returns its length, greater than that of `into` when it was cut off,
   * or undefined when there is none; never waits.
   * @throws Fault named after errno
   */
  receive(into: Buffer): number | undefined;
  /** How many datagrams the kernel could not deliver since the socket was opened, because the receive buffer was full (32 bits). */
  lost(): number;
  /** Bytes in the receive buffer, as the kernel charges them: 0 when nothing is there to be received. */
  waiting(): number;
  /** From now on calls `onReadable` once a turn of the event loop while there is something to receive. To be called once. */
  watch(onReadable: () => void): void;
  /** Idempotent. `onReadable` is not called afterwards, and the event loop is not kept alive any more. */
  close(): void;
}

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_NETFILTER = 12;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SO_MEMINFO = 55;
const SOL_NETLINK = 270;
const NETLINK_NO_ENOBUFS = 5;
const NETLINK_CAP_ACK = 10;
const MSG_TRUNC = 0x20;
const EAGAIN = 11;

/** SO_MEMINFO fills an array of 32-bit numbers: what waits in the receive buffer, and how often there was no room (linux/sock_diag.h). */
const MEMINFO_WAITING = 0;
const MEMINFO_DROPS = 8;
const MEMINFO_BYTES = 9 * 4;

/**
 * Opens a socket that talks to the kernel only.
 * @throws Fault FFI_UNAVAILABLE, or one named after errno (EPROTONOSUPPORT: the kernel has no nfnetlink)
 */
export async function openNetlinkSocket(receiveBufferBytes: number): Promise<NetlinkSocket> {
  const libc = await loadLibc();
  const descriptor = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (descriptor < 0) throw systemFault(libc, "socket");
  const socket = new LibcSocket(libc, descriptor);
  try {
    socket.configure(receiveBufferBytes);
  } catch (error) {
    socket.close();
    throw error;
  }
  return socket;
}

/** Two that are there both or not at all. @throws as openNetlinkSocket() */
export async function openNetlinkSockets(receiveBufferBytes: number): Promise<readonly [NetlinkSocket, NetlinkSocket]> {
  const one = await openNetlinkSocket(receiveBufferBytes);
  try {
    return [one, await openNetlinkSocket(receiveBufferBytes)];
  } catch (error) {
    one.close();
    throw error;
  }
}

class LibcSocket implements NetlinkSocket {
  readonly #libc: Libc;
  readonly #descriptor: number;
  readonly #memoryInfo = Buffer.alloc(MEMINFO_BYTES);
  readonly #memoryInfoLength = Buffer.alloc(4);
  #poll: ReturnType<Poll> | undefined;
  #closed = false;

  constructor(libc: Libc, descriptor: number) {
    this.#libc = libc;
    this.#descriptor = descriptor;
  }

  /**
   * NETLINK_NO_ENOBUFS: otherwise one lost message makes the kernel discard all that follow until the buffer has been
   * read empty, and sets a socket error at which libuv stops polling. What is lost is counted all the same (`lost`).
   * NETLINK_CAP_ACK: a refusal repeats the header of the message refused, not all of it.
   * Connected to the kernel (port 0), the socket accepts nothing from other processes.
   */
  configure(receiveBufferBytes: number): void {
    try {
      this.#setOption(SOL_SOCKET, SO_RCVBUFFORCE, receiveBufferBytes);
    } catch (error) {
      // older kernels want this privilege outside of a container too; up to a limit it goes without
      if (!hasCode(error, "EPERM")) throw error;
      this.#setOption(SOL_SOCKET, SO_RCVBUF, receiveBufferBytes);
    }
    this.#setOption(SOL_NETLINK, NETLINK_NO_ENOBUFS, 1);
    this.#setOption(SOL_NETLINK, NETLINK_CAP_ACK, 1);
    const kernel = Buffer.alloc(12);
    kernel.writeUInt16LE(AF_NETLINK);
    if (this.#libc.connect(this.#descriptor, kernel, kernel.length) < 0) throw systemFault(this.#libc, "connect");
  }

  send(messages: Buffer): void {
    if (this.#libc.send(this.#descriptor, messages, messages.length, 0) < 0) throw systemFault(this.#libc, "send");
  }

  receive(into: Buffer): number | undefined {
    const length = this.#libc.recv(this.#descriptor, into, into.length, MSG_TRUNC);
    if (length >= 0) return length;
    const errno = this.#libc.errno();
    // after every answer and every packet, so it had better cost little: Node makes its table of all errors anew when asked for a name
    if (errno === EAGAIN) return undefined;
    throw errnoFault(errno, "recv");
  }

  lost(): number {
    return this.#memoryOf(MEMINFO_DROPS);
  }

  waiting(): number {
    return this.#memoryOf(MEMINFO_WAITING);
  }

  #memoryOf(index: number): number {
    this.#memoryInfoLength.writeUInt32LE(MEMINFO_BYTES);
    const { getsockopt } = this.#libc;
    if (getsockopt(this.#descriptor, SOL_SOCKET, SO_MEMINFO, this.#memoryInfo, this.#memoryInfoLength) < 0) {
      throw systemFault(this.#libc, "getsockopt");
    }
    return this.#memoryInfo.readUInt32LE(index * 4);
  }

  /**
   * An exception thrown in koffi's callback is swallowed, and as nothing was received the loop spins (seen). In the check
   * phase, which follows the poll phase at once, it is an uncaught exception like any other.
   */
  watch(onReadable: () => void): void {
    let pending = false;
    const wake = (status: number): void => {
      if (pending) return;
      pending = true;
      setImmediate(() => {
        pending = false;
        if (this.#closed) return;
        onReadable();
        // libuv has stopped polling after an error of the socket, which receiving has cleared
        if (status < 0) this.#poll?.start(wake as () => void);
      });
    };
    this.#poll = this.#libc.poll(this.#descriptor, wake);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll?.close();
    this.#poll = undefined;
    this.#libc.close(this.#descriptor);
  }

  #setOption(level: number, name: number, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    if (this.#libc.setsockopt(this.#descriptor, level, name, bytes, bytes.length) < 0)
      throw systemFault(this.#libc, "setsockopt");
  }
}

function systemFault(libc: Libc, call: string): Fault {
  return errnoFault(libc.errno(), call);
}

/** A Fault whose code is the name of the error number, such as EBUSY. */
export function errnoFault(errno: number, call: string): Fault {
  const [code, message] = getSystemErrorMap().get(-errno) ?? [`ERRNO_${errno}`, "unknown error"];
  return new Fault(code, `${call}: ${message}`);
}
