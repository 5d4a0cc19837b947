import { createHash } from "node:crypto";
import { access, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TargetConfig } from "../config/types.ts";
import { hasCode, messageOf } from "../fault/fault.ts";
import type { Log } from "../log/log.ts";

/** What is known of a target whose daemon is no more: enough for its kind to find its service again. */
export type FormerTarget = Pick<TargetConfig, "name" | "kind" | "endpoints" | "options">;

const RECORD = "target.json";

/**
 * A target's own directory below the runtime directory. It is there from the first start of the service on, and says whose it
 * is, so that a later daemon finds services that its configuration does not name any more.
 */
export class TargetDirectory {
  readonly path: string;
  readonly #log: Log;
  /** What the record said when it was written last. */
  #written: string | undefined;

  constructor(runtimeDir: string, name: string, log: Log) {
    this.path = targetDirectoryPath(runtimeDir, name);
    this.#log = log;
  }

  get #record(): string {
    return join(this.path, RECORD);
  }

  /** Before each start of the service. Never throws: a service may do without, such as while the disk is full. */
  async prepare({ name, kind, endpoints, options }: FormerTarget): Promise<void> {
    const text = JSON.stringify({ name, kind, endpoints, options });
    // a client waits: from the second start on there is nothing to do, unless somebody removed it
    if (text === this.#written && (await isThere(this.#record))) return;
    const temporary = `${this.#record}.new`;
    try {
      await mkdir(this.path, { recursive: true, mode: 0o700 });
      await writeFile(temporary, text, { mode: 0o600 });
      await rename(temporary, this.#record);
      this.#written = text;
    } catch (error) {
      this.#log.warn(
        "could not write down whose directory it is; should the daemon die, its service could only be found by name",
        {
          file: this.#record,
          error: messageOf(error),
        },
      );
    }
  }

  /** Once the service is stopped. What its handler left is there for a reason. Never throws. */
  async remove(): Promise<void> {
    await rm(this.#record, { force: true }).catch(() => undefined);
    await rmdir(this.path).catch(() => undefined);
  }
}

function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

/** The directories of targets that a daemon which is no more left, each with its record; none where that can't be read, which is logged. */
export async function formerDirectories(runtimeDir: string, log: Log): Promise<Map<string, FormerTarget | undefined>> {
  const directory = join(runtimeDir, "targets");
  const names = await readdir(directory).catch((): string[] => []);
  return new Map(
    await Promise.all(
      names.map(async (name) => {
        const path = join(directory, name);
        return [path, await readRecord(join(path, RECORD), log)] as const;
      }),
    ),
  );
}

async function readRecord(file: string, log: Log): Promise<FormerTarget | undefined> {
  try {
    const record = JSON.parse(await readFile(file, "utf8")) as unknown;
    if (!isFormerTarget(record)) throw new TypeError("it describes no target");
    return record;
  } catch (error) {
    if (!hasCode(error, "ENOENT") && !hasCode(error, "ENOTDIR"))
      log.warn("ignoring a damaged record of a target", { file, error: messageOf(error) });
    return undefined;
  }
}

function isFormerTarget(value: unknown): value is FormerTarget {
  if (typeof value !== "object" || value === null) return false;
  const { name, kind, endpoints } = value as Partial<Record<keyof FormerTarget, unknown>>;
  const { namespace, name: kindName } = (kind ?? {}) as Partial<Record<"namespace" | "name", unknown>>;
  return typeof name === "string" && typeof namespace === "string" && typeof kindName === "string" && Array.isArray(endpoints);
}

/** Below the runtime directory; nothing when somebody still uses it. */
export async function removeTargetsDirectory(runtimeDir: string): Promise<void> {
  await rmdir(join(runtimeDir, "targets")).catch(() => undefined);
}

export function targetDirectoryPath(runtimeDir: string, target: string): string {
  return join(runtimeDir, "targets", directoryName(target));
}

/** A file name for any target name. */
function directoryName(name: string): string {
  return /^[\w-]{1,100}$/.test(name) ? name : `.${createHash("sha256").update(name).digest("hex").slice(0, 32)}`;
}
