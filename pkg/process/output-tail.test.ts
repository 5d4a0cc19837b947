import { appendFileSync, mkdtempSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../clock/fake-clock.ts";
import { OutputTail } from "./output-tail.ts";
import type { OutputTailOptions } from "./output-tail.ts";
import type { Command } from "./process.ts";
import { systemCommands } from "./runner.ts";

let directory: string;
let path: string;
let lines: string[];
let clock: FakeClock;
const open: OutputTail[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tail-"));
  path = join(directory, "output");
  lines = [];
  clock = new FakeClock();
});

afterEach(async () => {
  for (const tail of open.splice(0)) await tail.close();
  rmSync(directory, { recursive: true });
});

async function follow(options: Partial<OutputTailOptions> = {}): Promise<OutputTail> {
  const tail = new OutputTail({ path, clock, onLine: (line) => lines.push(line), ...options });
  open.push(tail);
  await tail.start();
  return tail;
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("did not happen within 5 s");
}

function writer(script: string): Promise<Command> {
  return systemCommands().start({ argv: ["/bin/sh", "-c", script], output: path });
}

describe("following", () => {
  it("hands over lines as they come, begun lines when they are complete", async () => {
    writeFileSync(path, "of the run before\n");
    const tail = await follow();
    appendFileSync(path, "one\ntw");
    await until(() => lines.length === 1);
    appendFileSync(path, "o\nthree");
    await until(() => lines.length === 2);
    await tail.close();
    await tail.close();
    expect(lines).toEqual(["one", "two", "three"]);
    expect(tail.last(2)).toEqual(["two", "three"]);
    expect(tail.last(0)).toEqual([]);
  });

  it("takes no time of the clock: nothing polls", async () => {
    await follow();
    appendFileSync(path, "one\n");
    await until(() => lines.length === 1);
    expect(clock.sleeping).toBe(0);
  });

  it("goes on when the file is deleted", async () => {
    await follow();
    const command = await writer("echo one; read x < fifo; echo two; sleep 0.2; echo three");
    await until(() => lines.includes("one"));
    unlinkSync(path);
    await command.exited;
    await until(() => lines.includes("three"));
  });

  it("looks again and again where the system has no watch left", async () => {
    const watch = (): never => {
      throw new Error("ENOSPC: System limit for number of file watchers reached");
    };
    await follow({ watch });
    appendFileSync(path, "one\n");
    await clock.advance(500);
    await until(() => lines.length === 1);
    appendFileSync(path, "two\n");
    await clock.advance(500);
    await until(() => lines.length === 2);
  });

  it("catches up when asked", async () => {
    const tail = await follow({ watch: () => neverWatching() });
    appendFileSync(path, "one\ntwo\n");
    await tail.catchUp();
    expect(lines).toEqual(["one", "two"]);
  });

  it("fails to start where there is no directory", async () => {
    await expect(
      new OutputTail({ path: join(directory, "x", "y"), clock, onLine: () => undefined }).start(),
    ).rejects.toMatchObject({
      code: "ENOENT",
    });
  });
});

/** A watch that works and never tells anything. */
function neverWatching(): ReturnType<NonNullable<OutputTailOptions["watch"]>> {
  return { once: () => undefined } as unknown as ReturnType<NonNullable<OutputTailOptions["watch"]>>;
}

describe("bounds", () => {
  it("empties the file when all is read and it has grown large, losing nothing", async () => {
    await follow();
    const line = "x".repeat(999);
    // below what may be handed over per second, in four parts of 300 kB each
    for (let part = 1; part <= 4; part++) {
      appendFileSync(path, `${line}\n`.repeat(300));
      await clock.advance(1000);
      await until(() => lines.length === 300 * part);
      await clock.advance(1000);
    }
    await until(() => statSync(path).size === 0);
    appendFileSync(path, "after\n");
    await until(() => lines.at(-1) === "after");
    expect(lines).toHaveLength(1201);
    expect(lines.slice(0, -1).every((each) => each === line)).toBe(true);
  });

  it("hands over no more per second than the log can bear", async () => {
    await follow();
    appendFileSync(path, "x\n".repeat(50_000));
    await until(() => clock.sleeping === 1);
    const first = lines.length;
    expect(first).toBeLessThan(25_000);
    await clock.advance(1000);
    await until(() => lines.length > first && clock.sleeping === 1);
    for (let second = 0; second < 10 && lines.length < 50_000; second++) {
      await clock.advance(1000);
      await until(() => clock.sleeping === 1 || lines.length === 50_000);
    }
    expect(lines).toHaveLength(50_000);
  });

  it("skips what it can't keep up with, says so, and keeps the file small", async () => {
    await follow();
    const command = await writer("exec yes");
    try {
      await until(() => lines.length > 1000);
      let largest = 0;
      for (let turn = 0; turn < 50; turn++) {
        largest = Math.max(largest, statSync(path).size);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(lines.length).toBeLessThan(25_000);
      expect(largest).toBeLessThan(500_000_000);
    } finally {
      command.signalGroup("SIGKILL");
      await command.exited;
    }
    await open[0]?.close();
    expect(lines.some((line) => /^\[\d+ bytes of output skipped/.test(line))).toBe(true);
    expect(lines.every((line) => line === "y" || line === "" || line.startsWith("["))).toBe(true);
    expect(statSync(path).size).toBeLessThan(2 * 1024 * 1024);
  });

  it("cuts long lines and keeps the last 50", async () => {
    const tail = await follow();
    appendFileSync(path, `${"a".repeat(20_000)}\n${"b\n".repeat(100)}`);
    await until(() => lines.length === 101);
    expect(lines[0]).toBe(`${"a".repeat(16_384)} [cut]`);
    expect(tail.last(1000)).toHaveLength(50);
  });
});
