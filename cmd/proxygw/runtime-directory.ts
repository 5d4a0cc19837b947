import { constants } from "node:fs";
import { access, mkdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Ending } from "../../pkg/config/types.ts";
import { Fault, hasCode, messageOf } from "../../pkg/fault/fault.ts";
import type { Log } from "../../pkg/log/log.ts";
import { findFlaw, type Flaw, trustedUsers } from "../../pkg/trust/trust.ts";
import { identityOf, isIdentity, sameIdentity } from "../../pkg/process/process-group.ts";
import type { CommandIdentity } from "../../pkg/process/process.ts";

/** What the daemon that uses the directory leaves in it. */
interface Owner {
  readonly identity: CommandIdentity | undefined;
  /** The directory was made by it, or by one before it. */
  readonly made: boolean;
}

/** Where a daemon keeps what must outlive it: its own alone, as long as it lives. */
export class RuntimeDirectory {
  readonly #path: string;
  readonly #ownerFile: string;
  readonly #log: Log;
  #owner: Owner | undefined;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
    this.#ownerFile = join(path, "daemon.json");
  }

  /** @throws Fault RUNTIME_DIR_UNUSABLE, RUNTIME_DIR_IN_USE */
  async acquire(): Promise<void> {
    try {
      const made = await mkdir(this.#path, { recursive: true, mode: 0o755 });
      const flaw = await this.flaw();
      if (flaw !== undefined) {
        throw new Fault(
          "RUNTIME_DIR_UNUSABLE",
          `the runtime directory ${this.#path} (runtime_dir) is not safe from other users: ${flaw.what}; try: ${flaw.remedy}`,
        );
      }
      const former = await this.#formerOwner();
      const pid = livingPid(former);
      if (pid !== undefined) {
        throw new Fault(
          "RUNTIME_DIR_IN_USE",
          `the runtime directory ${this.#path} is in use by another proxygw (pid ${pid}); give this one its own with runtime_dir`,
        );
      }
      const owner: Owner = { identity: identityOf(process.pid), made: made !== undefined || former?.made === true };
      await writeFile(this.#ownerFile, JSON.stringify(owner), { mode: 0o600 });
      this.#owner = owner;
    } catch (error) {
      if (error instanceof Fault) throw error;
      throw new Fault(
        "RUNTIME_DIR_UNUSABLE",
        `the runtime directory ${this.#path} cannot be used (runtime_dir in the configuration)`,
        {
          cause: error,
        },
      );
    }
  }

  /** Of a daemon that lives or died; of a damaged file, which is logged: none. */
  async #formerOwner(): Promise<Owner | undefined> {
    const file = this.#ownerFile;
    try {
      return ownerIn(await readFile(file, "utf8"));
    } catch (error) {
      if (!hasCode(error, "ENOENT"))
        this.#log.warn("ignoring a damaged record of the former daemon", { file, error: messageOf(error) });
      return undefined;
    }
  }

  /** Whether this user may look who has it. */
  async isReadable(): Promise<boolean> {
    return access(this.#ownerFile, constants.R_OK).then(
      () => true,
      (error: unknown) => !hasCode(error, "EACCES"),
    );
  }

  /** The pid of the daemon that has it now; undefined: none that lives. */
  async livingOwner(): Promise<number | undefined> {
    return livingPid(await this.#formerOwner());
  }

  /** How others could change what is in it, which decides which processes are stopped and which sysctls are set. */
  async flaw(): Promise<Flaw | undefined> {
    return findFlaw(this.#path, await trustedUsers());
  }

  /**
   * Takes away what acquire() made, the directory if it is empty; with "keep" all is left, for the next daemon. Idempotent. Never
   * throws.
   */
  async release(how: Ending): Promise<void> {
    const owner = this.#owner;
    this.#owner = undefined;
    if (owner === undefined || how === "keep") return;
    await rm(this.#ownerFile, { force: true }).catch(() => undefined);
    if (owner.made) await rmdir(this.#path).catch(() => undefined);
  }
}

function livingPid(owner: Owner | undefined): number | undefined {
  const identity = owner?.identity;
  return identity !== undefined && sameIdentity(identity, identityOf(identity.pid)) ? identity.pid : undefined;
}

/** Whose directory it is, by the text of the file. @throws Error when the text is no record */
export function ownerIn(text: string): Owner {
  const owner = JSON.parse(text) as unknown;
  if (typeof owner !== "object" || owner === null) throw new TypeError("it describes no daemon");
  const { identity, made } = owner as Partial<Record<keyof Owner, unknown>>;
  // a daemon that could not find out its own left it out
  if (identity !== undefined && !isIdentity(identity)) throw new TypeError("it names no process");
  return { identity, made: made === true };
}
