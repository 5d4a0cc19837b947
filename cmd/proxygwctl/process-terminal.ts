import { writeSync } from "node:fs";
import type { ReadStream, WriteStream } from "node:tty";
import { Fault } from "../../pkg/fault/fault.ts";
import type { Size, Terminal, TerminalListener } from "./terminal.ts";

/** The terminal behind standard input and output. */
export class ProcessTerminal implements Terminal {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  #end: string | undefined;
  #releases: (() => void)[] = [];
  #onStop: () => void = () => undefined;

  /** @throws Fault NO_TERMINAL */
  constructor(type: string | undefined) {
    if (!process.stdout.isTTY || !process.stdin.isTTY) {
      throw new Fault("NO_TERMINAL", "the live screen takes a terminal; for programs there are: status -o json, watch -o json");
    }
    if (type === undefined || type === "dumb") {
      throw new Fault("NO_TERMINAL", "this terminal (TERM) cannot show a live screen; there is: status -o table");
    }
    this.#input = process.stdin;
    this.#output = process.stdout;
  }

  get size(): Size {
    const { columns, rows } = this.#output;
    // a serial line does not know its size
    return { columns: columns || 80, rows: rows || 24 };
  }

  enter(begin: string, end: string): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    process.on("exit", this.#restore);
    process.on("SIGTSTP", this.#onStop);
    this.#input.setRawMode(true);
    this.#output.write(begin);
  }

  leave(): void {
    if (this.#end === undefined) return;
    process.off("SIGTSTP", this.#onStop);
    process.off("exit", this.#restore);
    this.#restore();
  }

  write(text: string): void {
    if (this.#end !== undefined) this.#output.write(text);
  }

  listen({ input, resized, suspending, resumed }: TerminalListener): void {
    const onInput = (chunk: Buffer): void => {
      input(chunk.toString());
    };
    this.#onStop = suspending;
    this.#input.on("data", onInput);
    this.#output.on("resize", resized);
    process.on("SIGCONT", resumed);
    this.#releases.push(() => {
      this.#input.off("data", onInput);
      this.#input.pause();
      this.#output.off("resize", resized);
      process.off("SIGCONT", resumed);
    });
  }

  stopJob(): void {
    // the group: who started it with sudo or in a pipe gets the whole of it stopped
    process.kill(0, "SIGTSTP");
  }

  close(): void {
    this.leave();
    for (const release of this.#releases.splice(0)) release();
  }

  /** At once, since the process may be about to end; a terminal that is gone needs nothing. */
  readonly #restore = (): void => {
    const end = this.#end ?? "";
    this.#end = undefined;
    try {
      this.#input.setRawMode(false);
      writeSync(process.stdout.fd, end);
    } catch {
      return;
    }
  };
}
