import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import type { Clock } from "../clock/clock.ts";
import { Fault, hasCode, messageOf } from "../fault/fault.ts";

/** What is kept at most, in bytes, while the output takes nothing; further lines are counted and dropped. */
const PENDING_LIMIT = 1024 * 1024;
const RETRY_MS = 100;
/** How long close() waits for an output that takes nothing. */
const FLUSH_MS = 1000;

const OPEN_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOCTTY | constants.O_NONBLOCK;

/**
 * Where finished lines go: standard output, standard error or a file.
 *
 * Each line is written at once, so none is lost at an exit of any kind. An output that takes nothing (a full disk, a
 * pipe nobody reads) never blocks and never throws: lines are kept, up to a limit, and tried again. (sonic-boom, pino's
 * own, writes likewise, but its flushSync never returns once the disk is full or the reader gone, and two
 * reopens of which the first fails make it close the same descriptor twice.)
 */
export class Output {
  #path: string;
  readonly #clock: Clock;
  readonly #onLost: (lines: number, reason: string) => void;
  readonly #onStuck: (reason: string) => void;
  readonly #closing = new AbortController();
  #fd: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Bytes of the first pending line that are written already. */
  #written = 0;
  #lost = 0;
  #reason = "";
  #retrying = false;
  #toldStuck = false;

  /**
   * @param onLost told, once lines are taken again, how many were not
   * @param onStuck told, once each time that an error other than a slow reader begins, what it is
   * @throws Fault LOG_UNWRITABLE
   */
  constructor(
    path: string,
    clock: Clock,
    onLost: (lines: number, reason: string) => void,
    onStuck: (reason: string) => void = () => undefined,
  ) {
    this.#path = path;
    this.#clock = clock;
    this.#onLost = onLost;
    this.#onStuck = onStuck;
    this.#fd = openOutput(path);
  }

  write(line: string): void {
    if (this.#fd < 0) return;
    const bytes = Buffer.from(line);
    if (this.#pendingBytes + bytes.length > PENDING_LIMIT) {
      this.#lost++;
      return;
    }
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (!this.#retrying && !this.#pump()) void this.#retry();
  }

  /** Opens the file anew by its name, for a log that was rotated, or another one. @throws Fault LOG_UNWRITABLE; the old one stays in use then */
  reopen(path = this.#path): void {
    if (this.#fd < 0 || (path === this.#path && isStandard(path))) return;
    const next = openOutput(path);
    this.#pump();
    if (this.#fd > 2) closeQuietly(this.#fd);
    this.#fd = next;
    this.#path = path;
    // a line must not begin in one file and end in another
    this.#written = 0;
    this.#pump();
  }

  /** Resolves when everything is written, or after a second if it can't be. Never rejects. */
  async flush(): Promise<void> {
    const end = this.#clock.now() + FLUSH_MS;
    while (this.#fd >= 0 && !this.#pump() && this.#clock.now() < end) await this.#clock.sleep(RETRY_MS / 5);
  }

  /** Flushes and lets go of the output; later lines are ignored. Idempotent. */
  async close(): Promise<void> {
    await this.flush();
    this.#closing.abort();
    if (this.#fd > 2) closeQuietly(this.#fd);
    this.#fd = -1;
  }

  async #retry(): Promise<void> {
    this.#retrying = true;
    try {
      do await this.#clock.sleep(RETRY_MS, this.#closing.signal);
      while (!this.#pump());
    } catch {
      return;
    } finally {
      this.#retrying = false;
    }
  }

  /** True when nothing is left to be written. */
  #pump(): boolean {
    try {
      for (let line = this.#pending[0]; line !== undefined; line = this.#pending[0]) {
        this.#written += writeSync(this.#fd, line, this.#written);
        if (this.#written < line.length) continue;
        this.#pending.shift();
        this.#pendingBytes -= line.length;
        this.#written = 0;
      }
    } catch (error) {
      const isSlow = hasCode(error, "EAGAIN");
      this.#reason = isSlow ? "the reader of the log was too slow" : messageOf(error);
      if (!isSlow && !this.#toldStuck) {
        this.#toldStuck = true;
        this.#onStuck(this.#reason);
      }
      // its reader is gone for good: nobody is left to keep the lines for
      if (hasCode(error, "EPIPE")) this.#discard();
      return this.#pending.length === 0;
    }
    this.#toldStuck = false;
    this.#tellLost();
    return this.#pending.length === 0;
  }

  #discard(): void {
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#written = 0;
  }

  #tellLost(): void {
    if (this.#lost === 0) return;
    const lost = this.#lost;
    this.#lost = 0;
    this.#onLost(lost, this.#reason);
  }
}

function isStandard(path: string): path is "stdout" | "stderr" {
  return path === "stdout" || path === "stderr";
}

function openOutput(path: string): number {
  if (isStandard(path)) return unblocked(path);
  try {
    // O_NONBLOCK: a fifo without a reader is an error, not a wait
    return openSync(path, OPEN_FLAGS, 0o640);
  } catch (error) {
    throw new Fault("LOG_UNWRITABLE", `log file "${path}" cannot be opened for writing`, { cause: error });
  }
}

/**
 * A descriptor of standard output or error that a stuck reader cannot block. A pipe or terminal is opened anew, because
 * O_NONBLOCK belongs to the open description, which the shell that started us shares. A socket (systemd's journal)
 * can't be opened anew; Node makes it non-blocking when it makes its own stream of it.
 */
function unblocked(name: "stdout" | "stderr"): number {
  const fd = name === "stdout" ? 1 : 2;
  try {
    const stat = fstatSync(fd);
    if (stat.isSocket()) process[name].on("error", () => undefined);
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return fd;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_APPEND | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch {
    return fd;
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    return;
  }
}
