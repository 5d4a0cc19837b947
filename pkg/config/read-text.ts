import { isUtf8 } from "node:buffer";
import { open } from "node:fs/promises";
import { hasCode, messageOf } from "../fault/fault.ts";
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

function whyUnreadable(path: string, error: unknown): string {
  if (path === "") return "no file is named; give the path of the configuration file";
  if (hasCode(error, "ENOENT")) return "there is no such file; create it, or name another one with --config";
  if (hasCode(error, "ENOTDIR")) return "a part of this path is not a directory";
  if (hasCode(error, "EISDIR")) return "this is a directory; name the file in it";
  if (hasCode(error, "EACCES") || hasCode(error, "EPERM"))
    return "no permission to read this file; run as root, or change its mode";
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
