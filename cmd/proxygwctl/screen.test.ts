import { describe, expect, it } from "vitest";
import { FakeClock, settle } from "../../pkg/clock/fake-clock.ts";
import { keysOf, Screen } from "./screen.ts";
import type { Size, Terminal, TerminalListener } from "./terminal.ts";

/** What happens to it, in order. */
class FakeTerminal implements Terminal {
  size = { columns: 20, rows: 4 };
  readonly happened: string[] = [];
  listener: TerminalListener | undefined;
  #isEntered = false;

  enter(begin: string, end: string): void {
    expect(begin).toContain("\x1b[?1049h");
    expect(end).toMatch(/\x1b\[\?25h.*\x1b\[\?1049l$/);
    if (!this.#isEntered) this.happened.push("enter");
    this.#isEntered = true;
  }
  leave(): void {
    if (this.#isEntered) this.happened.push("leave");
    this.#isEntered = false;
  }
  write(text: string): void {
    if (this.#isEntered) this.happened.push(text);
  }
  listen(listener: TerminalListener): void {
    this.listener = listener;
  }
  stopJob(): void {
    this.happened.push("stop");
  }
  close(): void {
    this.leave();
  }
}

const FRAME = "\x1b[H\x1b[2Ka\r\n\x1b[2Kb\r\n\x1b[J";

/** What is to be seen on `size` after `output`: with no wrapping at the right edge, the cursor stays on the last character of a full line. */
function seen(output: string, { columns, rows }: Size): string[] {
  const grid = Array.from({ length: rows }, () => Array.from({ length: columns }, () => "?"));
  let row = 0;
  let column = 0;
  const clear = (at: number, from: number): void => {
    grid[at]?.fill(" ", from);
  };
  for (const part of output.match(/\x1b\[\d*[A-Z]|[^]/g) ?? []) {
    if (part === "\x1b[H") row = column = 0;
    else if (part === "\x1b[K") clear(row, column);
    else if (part === "\x1b[2K") clear(row, 0);
    else if (part === "\x1b[J") {
      clear(row, column);
      for (let below = row + 1; below < rows; below += 1) clear(below, 0);
    } else if (part === "\r") column = 0;
    else if (part === "\n") row = Math.min(row + 1, rows - 1);
    else {
      grid[row]?.splice(column, 1, part);
      column = Math.min(column + 1, columns - 1);
    }
  }
  return grid.map((line) => line.join("").trimEnd());
}

describe("screen", () => {
  function open(): { terminal: FakeTerminal; clock: FakeClock; screen: Screen; keys: string[] } {
    const terminal = new FakeTerminal();
    const clock = new FakeClock();
    const keys: string[] = [];
    const screen = new Screen(terminal, clock, { paint: () => ["a", "b"], key: (key) => keys.push(key) });
    screen.open();
    return { terminal, clock, screen, keys };
  }

  it("is drawn when it opens, when its size changes, and on demand", () => {
    const { terminal, screen, keys } = open();
    terminal.listener?.resized();
    terminal.listener?.input("\x0cq\x1b[A");
    screen.close();
    screen.draw();
    terminal.listener?.resumed();
    expect(terminal.happened).toEqual(["enter", FRAME, FRAME, FRAME, "leave"]);
    expect(keys).toEqual(["q", "up"]);
  });

  it.each([
    ["fill the screen", ["abcdef", "ab", "abcde…"]],
    ["leave room below", ["abcde…", ""]],
  ])("shows all of lines that are as wide as it and %s", (_, lines) => {
    const terminal = new FakeTerminal();
    terminal.size = { columns: 6, rows: 3 };
    const screen = new Screen(terminal, new FakeClock(), { paint: () => lines, key: () => undefined });
    screen.open();
    const [, output = ""] = terminal.happened;
    expect(seen(output, terminal.size)).toEqual([...lines, "", ""].slice(0, 3));
  });

  it.each(["Ctrl-Z", "a signal"])("gives the terminal back while the job is stopped by %s", async (how) => {
    const { terminal, clock } = open();
    if (how === "Ctrl-Z") terminal.listener?.input("\x1a");
    else terminal.listener?.suspending();
    expect(terminal.happened).toEqual(["enter", FRAME, "leave", "stop"]);
    terminal.listener?.resumed();
    expect(terminal.happened.slice(4)).toEqual(["enter", FRAME]);
    await clock.advance(1000);
    expect(terminal.happened.filter((each) => each === "enter")).toHaveLength(2);
  });

  it("comes back where nobody stopped the job", async () => {
    const { terminal, clock } = open();
    terminal.listener?.input("\x1a");
    await settle();
    await clock.advance(1000);
    expect(terminal.happened.slice(2)).toEqual(["leave", "stop", "enter", FRAME]);
  });

  it("reads keys however they come", () => {
    expect(keysOf("q\x1b[A\x1bOB\x1b[5~\x03\x1b[1;5Cé\x1b")).toEqual([
      "q",
      "up",
      "down",
      "page-up",
      "ctrl-c",
      "\x1b[1;5C",
      "é",
      "\x1b",
    ]);
  });
});
