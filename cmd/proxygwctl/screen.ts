import type { Clock } from "../../pkg/clock/clock.ts";
import type { Size, Terminal } from "./terminal.ts";

// https://invisible-island.net/xterm/ctlseqs/ctlseqs.html: alternate screen, no cursor, no wrapping at the right edge
const BEGIN = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const END = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[2K";
const CLEAR_BELOW = "\x1b[J";

/** After this time without a stop there is none: nobody would wake a job that no shell looks after, so the kernel does not stop it. */
const STOP_MS = 250;

const KEYS: Readonly<Record<string, string>> = {
  "\x03": "ctrl-c",
  "\x1a": "ctrl-z",
  "\x0c": "ctrl-l",
  "\x1b[A": "up",
  "\x1bOA": "up",
  "\x1b[B": "down",
  "\x1bOB": "down",
  "\x1b[5~": "page-up",
  "\x1b[6~": "page-down",
  "\x1b[H": "home",
  "\x1b[1~": "home",
  "\x1b[F": "end",
  "\x1b[4~": "end",
};

interface ScreenListener {
  /** What is to be seen, as many lines as there are rows at most, none wider than the screen. */
  readonly paint: (size: Size) => readonly string[];
  /** A letter, or the name of a key: ctrl-c, up, page-down, ... */
  readonly key: (key: string) => void;
}

/** A whole screen of a terminal, which is as it was before whenever this one is not shown. */
export class Screen {
  readonly #terminal: Terminal;
  readonly #clock: Clock;
  readonly #listener: ScreenListener;
  #isClosed = false;

  constructor(terminal: Terminal, clock: Clock, listener: ScreenListener) {
    this.#terminal = terminal;
    this.#clock = clock;
    this.#listener = listener;
  }

  open(): void {
    this.#terminal.listen({
      input: (text) => {
        for (const key of keysOf(text)) this.#press(key);
      },
      resized: () => {
        this.draw();
      },
      suspending: () => {
        void this.#suspend();
      },
      resumed: () => {
        this.#show();
      },
    });
    this.#show();
  }

  draw(): void {
    const { size } = this.#terminal;
    const lines = this.#listener.paint(size);
    // before the text: after one that is as wide as the screen, the cursor is still on its last character, and would take that along
    const painted = lines.map((line) => `${CLEAR_LINE}${line}`).join("\r\n");
    this.#terminal.write(`${HOME}${painted}${lines.length < size.rows ? `\r\n${CLEAR_BELOW}` : ""}`);
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#terminal.close();
  }

  #show(): void {
    if (this.#isClosed) return;
    this.#terminal.enter(BEGIN, END);
    this.draw();
  }

  #press(key: string): void {
    if (key === "ctrl-z") void this.#suspend();
    else if (key === "ctrl-l") this.draw();
    else this.#listener.key(key);
  }

  async #suspend(): Promise<void> {
    this.#terminal.leave();
    this.#terminal.stopJob();
    await this.#clock.sleep(STOP_MS);
    this.#show();
  }
}

/** The keys of what a terminal sent at once. */
export function keysOf(text: string): string[] {
  const sequences = text.match(/\x1b(?:\[[0-9;?]*[@-~]|O[@-~])|[^]/gu) ?? [];
  return sequences.map((each) => KEYS[each] ?? each);
}
