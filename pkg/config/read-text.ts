import { isUtf8 } from "node:buffer";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { Socket } from "node:net";
import { Fault, hasCode, messageOf } from "../fault/fault.ts";
import { fileError } from "./config-error.ts";

const LARGEST_MIB = 8;
const LARGEST = LARGEST_MIB * 1024 * 1024;

/** The text of a file; pipes and devices are read too, up to the same size. @throws ConfigError when it can't be read */
export async function readText(path: string): Promise<string> {
  const bytes = await readBytes(path);
  if (bytes.length > LARGEST) throw fileError(path, `the file is larger than ${LARGEST_MIB} MiB, the most that is read`);
  if (!isUtf8(bytes)) throw fileError(path, `the file is not UTF-8 text${placeOfJunk(bytes)}; save it as UTF-8`);
  return bytes.toString("utf8");
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    if ((await stat(path)).isFIFO()) return await readPipe(path);
    await using file = await open(path);
    const chunks: Buffer[] = [];
    let size = 0;
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(64 * 1024), 0, null, null);
      chunks.push(buffer.subarray(0, bytesRead));
      size += bytesRead;
      if (bytesRead === 0 || size > LARGEST) return Buffer.concat(chunks);
    }
  } catch (error) {
    throw fileError(path, whyUnreadable(path, error));
  }
}

/**
 * Without waiting for somebody who writes: to open a pipe that has no writer, or to read one in the pool of threads, may take for ever, and
 * with it a thread that files and host names need.
 */
async function readPipe(path: string): Promise<Buffer> {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const chunks: Buffer[] = [];
  let size = 0;
  const isFull = (chunk: Buffer): boolean => {
    chunks.push(chunk);
    size += chunk.length;
    return size > LARGEST;
  };
  if (readWhatIsThere(descriptor, isFull)) {
    closeSync(descriptor);
    if (size === 0)
      throw new Fault("NO_WRITER", "nobody writes to this pipe; name a regular file, or have something write to it first");
  } else {
    // closes the descriptor in the end
    for await (const chunk of new Socket({ fd: descriptor, readable: true, writable: false })) {
      if (isFull(chunk as Buffer)) break;
    }
  }
  return Buffer.concat(chunks);
}

/** Whether that was all: `isFull` has said so, or there is nobody who could write more. */
function readWhatIsThere(descriptor: number, isFull: (chunk: Buffer) => boolean): boolean {
  for (;;) {
    try {
      const buffer = Buffer.allocUnsafe(64 * 1024);
      const length = readSync(descriptor, buffer);
      if (length === 0 || isFull(buffer.subarray(0, length))) return true;
    } catch (error) {
      if (hasCode(error, "EAGAIN")) return false;
      closeSync(descriptor);
      throw error;
    }
  }
}

function whyUnreadable(path: string, error: unknown): string {
  if (path === "") return "no file is named; give the path of the configuration file";
  if (hasCode(error, "ENOENT")) return "there is no such file; create it, or name another one with --config";
  if (hasCode(error, "ENOTDIR")) return "a part of this path is not a directory";
  if (hasCode(error, "EISDIR")) return "this is a directory; name the file in it";
  if (hasCode(error, "EACCES") || hasCode(error, "EPERM"))
    return "no permission to read this file; run as root, or change its mode";
  if (hasCode(error, "NO_WRITER")) return messageOf(error);
  return `the file can't be read: ${messageOf(error)}`;
}

function placeOfJunk(bytes: Buffer): string {
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, start);
    if (!isUtf8(bytes.subarray(start, end === -1 ? bytes.length : end))) return ` (line ${line})`;
    if (end === -1) break;
    start = end + 1;
  }
  return "";
}
