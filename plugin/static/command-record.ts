import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hasCode, messageOf } from "../../pkg/fault/fault.ts";
import type { Log } from "../../pkg/log/log.ts";
import { isIdentity } from "../../pkg/process/process-group.ts";
import type { CommandIdentity } from "../../pkg/process/process.ts";

/** What was recorded of a command that was started. */
export interface Recorded {
  readonly identity: CommandIdentity;
  /** Whether it was started with these options. */
  isOf(options: unknown): boolean;
}

/**
 * The file by which a command is found again after the daemon's end. Written synchronously, as soon as the command is
 * there, and replaced whole, so that a daemon that is killed leaves no half of it.
 */
export class CommandRecord {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Never throws: without it the command runs just as well. What went wrong, if anything. */
  write(identity: CommandIdentity, options: unknown): unknown {
    const temporary = `${this.#path}.new`;
    try {
      writeFileSync(temporary, JSON.stringify({ identity, options }), { mode: 0o600 });
      renameSync(temporary, this.#path);
      return undefined;
    } catch (error) {
      rmSync(temporary, { force: true });
      return error;
    }
  }

  /** undefined: there is none, or it is damaged, which is logged. */
  read(log: Log): Recorded | undefined {
    try {
      return recordIn(readFileSync(this.#path, "utf8"));
    } catch (error) {
      if (!hasCode(error, "ENOENT"))
        log.warn("ignoring a damaged record of a command", { file: this.#path, error: messageOf(error) });
      return undefined;
    }
  }

  /** Idempotent. */
  remove(): void {
    rmSync(this.#path, { force: true });
  }
}

/** @throws Error when the text is no record */
export function recordIn(text: string): Recorded {
  const { identity, options } = JSON.parse(text) as { identity: unknown; options: unknown };
  if (!isIdentity(identity)) throw new TypeError("it names no process");
  return { identity, isOf: (others) => JSON.stringify(others) === JSON.stringify(options) };
}
