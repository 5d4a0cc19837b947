import { constants, fstatSync, ftruncateSync, watch as watchFile } from "node:fs";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import type { Clock } from "../clock/clock.ts";
import { Serial } from "../serial/serial.ts";
import { LineSplitter } from "./line-splitter.ts";

/** A file that has grown past this, and of which all is read, is emptied; what is further behind than this is skipped. */
const SIZE_LIMIT = 1024 * 1024;
const LINE_LIMIT = 16 * 1024;
/** Read at a time; between two reads the event loop turns. */
const CHUNK_BYTES = 16 * 1024;
const LINES_KEPT = 50;

/** What may be handed over per window, so that a command that floods its output keeps neither processor nor log busy. */
const WINDOW_MS = 1000;
const WINDOW_COST = 1024 * 1024;
/** Of a line, beside its length. */
const LINE_COST = 100;

/** Where the system's watches are used up. */
const POLL_MS = 500;

export interface OutputTailOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Called for each line in order, without its end. Must not throw. */
  readonly onLine: (line: string) => void;
  /** Default: that of node:fs. */
  readonly watch?: typeof watchFile;
}

/**
 * Follows the output file of a command: hands over complete lines as they come, keeps the last ones, and keeps the file
 * small. Emptying it is safe because the command appends (O_APPEND), so its next write begins at the new end; only what
 * it writes in the microseconds between the look at the size and the emptying is lost. Goes on when the file is
 * deleted, since the command writes to the same inode.
 */
export class OutputTail {
  readonly #options: OutputTailOptions;
  readonly #serial = new Serial();
  readonly #closing = new AbortController();
  readonly #splitter: LineSplitter;
  readonly #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  #file: FileHandle | undefined;
  #offset = 0;
  #lines: string[] = [];
  #skipped = 0;
  #reading = false;
  #windowEnd = 0;
  #spent = 0;
  #paused = false;

  constructor(options: OutputTailOptions) {
    this.#options = options;
    this.#splitter = new LineSplitter(LINE_LIMIT, (line) => {
      this.#handOver(line);
    });
  }

  /**
   * Makes the file and follows it from now on. What is in it is thrown away, or with `from: "end"` kept and passed over:
   * a command that is already running wrote it. @throws a system error
   */
  async start(from: "empty" | "end" = "empty"): Promise<void> {
    const truncate = from === "empty" ? constants.O_TRUNC : 0;
    this.#file = await open(this.#options.path, constants.O_RDWR | constants.O_CREAT | truncate, 0o600);
    this.#offset = (await this.#file.stat()).size;
    this.#watch();
  }

  /** The last `count` lines (of at most 50 that are kept), also after close. */
  last(count: number): string[] {
    return count > 0 ? this.#lines.slice(-count) : [];
  }

  /** Resolves when all that is in the file now has been handed over (or skipped). @throws a system error */
  catchUp(): Promise<void> {
    return this.#serial.run(() => this.#read(false));
  }

  /** Catches up, hands over a last line without an end, and lets go of the file, which stays. Idempotent. @throws a system error */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#serial.run(async () => {
      const file = this.#file;
      if (file === undefined) return;
      try {
        await this.#read(false);
        this.#splitter.end();
        this.#tellSkipped();
      } finally {
        this.#file = undefined;
        await file.close();
      }
    });
  }

  #watch(): void {
    const { path, watch = watchFile } = this.#options;
    try {
      const watcher = watch(path, { persistent: false, signal: this.#closing.signal }, () => {
        this.#wake();
      });
      watcher.once("error", () => void this.#poll());
      // written between its opening and the watch
      this.#wake();
    } catch {
      void this.#poll();
    }
  }

  async #poll(): Promise<void> {
    while (await this.#slept(POLL_MS)) this.#wake();
  }

  /** False when closing. */
  #slept(ms: number): Promise<boolean> {
    return this.#options.clock.sleep(ms, this.#closing.signal).then(
      () => true,
      () => false,
    );
  }

  #wake(): void {
    if (this.#reading || this.#closing.signal.aborted) return;
    this.#reading = true;
    const read = this.#serial.run(async () => {
      this.#reading = false;
      await this.#read(true);
    });
    // the next wake tries again, and close() tells
    read.catch(() => undefined);
  }

  /** Up to the end of the file; paced, also no further than the window allows; not paced, no further than the size limit. */
  async #read(paced: boolean): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    for (let left = SIZE_LIMIT; paced || left > 0;) {
      if (!this.#unread(file.fd)) return;
      if (paced && this.#windowUsedUp()) return;
      const { bytesRead } = await file.read(this.#chunk, 0, CHUNK_BYTES, this.#offset);
      this.#offset += bytesRead;
      left -= bytesRead;
      this.#splitter.push(this.#chunk.subarray(0, bytesRead));
    }
  }

  /** Whether there is something to be read. Empties the file when all of it is read, or when reading falls behind. */
  #unread(fd: number): boolean {
    const { size } = fstatSync(fd);
    // emptied by someone else
    if (size < this.#offset) this.#offset = 0;
    const unread = size - this.#offset;
    if (unread > SIZE_LIMIT || (unread === 0 && size > SIZE_LIMIT)) {
      ftruncateSync(fd, 0);
      this.#offset = 0;
      // what comes next does not belong to the line begun before
      if (unread > 0) this.#splitter.end();
      this.#skipped += unread;
      return false;
    }
    return unread > 0;
  }

  #windowUsedUp(): boolean {
    const now = this.#options.clock.now();
    if (now >= this.#windowEnd) {
      this.#windowEnd = now + WINDOW_MS;
      this.#spent = 0;
    }
    if (this.#spent < WINDOW_COST) return false;
    if (!this.#paused) {
      this.#paused = true;
      void this.#slept(this.#windowEnd - now).then(() => {
        this.#paused = false;
        this.#wake();
      });
    }
    return true;
  }

  #handOver(line: string): void {
    this.#tellSkipped();
    this.#spent += line.length + LINE_COST;
    this.#lines.push(line);
    if (this.#lines.length > LINES_KEPT) this.#lines.shift();
    this.#options.onLine(line);
  }

  #tellSkipped(): void {
    if (this.#skipped === 0) return;
    this.#options.onLine(`[${this.#skipped} bytes of output skipped: they came faster than they can be logged]`);
    this.#skipped = 0;
  }
}
