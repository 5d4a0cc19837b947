/** What is used of the C library. */
import type { KoffiFunc } from "koffi";
import { Fault } from "../fault/fault.ts";

/** koffi's own types leave out the status, which libuv puts first. */
export type Poll = (
  descriptor: number,
  callback: (status: number) => void,
) => { start(callback: () => void): void; close(): void };

export interface Libc {
  readonly socket: KoffiFunc<(domain: number, type: number, protocol: number) => number>;
  readonly connect: KoffiFunc<(descriptor: number, address: Buffer, length: number) => number>;
  readonly setsockopt: KoffiFunc<(descriptor: number, level: number, name: number, value: Buffer, length: number) => number>;
  readonly getsockopt: KoffiFunc<(descriptor: number, level: number, name: number, value: Buffer, length: Buffer) => number>;
  readonly send: KoffiFunc<(descriptor: number, data: Buffer, length: number, flags: number) => number>;
  readonly recv: KoffiFunc<(descriptor: number, data: Buffer, length: number, flags: number) => number>;
  readonly close: KoffiFunc<(descriptor: number) => number>;
  readonly errno: () => number;
  readonly poll: Poll;
}

/** Loaded with the first use: whoever holds nothing pays nothing for it. */
let loaded: Promise<Libc> | undefined;

/** @throws Fault FFI_UNAVAILABLE */
export async function loadLibc(): Promise<Libc> {
  try {
    return await (loaded ??= load());
  } catch (cause) {
    throw new Fault("FFI_UNAVAILABLE", "the native module koffi could not be loaded", { cause });
  }
}

async function load(): Promise<Libc> {
  const koffi = await import("koffi");
  // what the process itself is linked to, whatever that C library is called
  const libc = koffi.load(null);
  return {
    socket: libc.func("int socket(int domain, int type, int protocol)"),
    connect: libc.func("int connect(int fd, const void *address, unsigned int length)"),
    setsockopt: libc.func("int setsockopt(int fd, int level, int name, const void *value, unsigned int length)"),
    getsockopt: libc.func("int getsockopt(int fd, int level, int name, void *value, void *length)"),
    send: libc.func("long send(int fd, const void *data, size_t length, int flags)"),
    recv: libc.func("long recv(int fd, void *data, size_t length, int flags)"),
    close: libc.func("int close(int fd)"),
    errno: () => koffi.errno(),
    poll: koffi.node.poll as unknown as Poll,
  };
}
