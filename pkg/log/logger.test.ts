import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../clock/fake-clock.ts";
import { createLogger } from "./logger.ts";
import type { Logger } from "./logger.ts";

let directory: string;
let file: string;
const open: Logger[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "log-"));
  file = join(directory, "proxygw.log");
});

afterEach(async () => {
  for (const logger of open.splice(0)) await logger.close();
  rmSync(directory, { recursive: true });
});

function logger(format: "text" | "json" = "text", level = 0, output = file): Logger {
  const made = createLogger({ output, level, format }, new FakeClock());
  open.push(made);
  return made;
}

function lines(path = file): string[] {
  return readFileSync(path, "utf8").split("\n").slice(0, -1);
}

describe("the text format", () => {
  it("is that of slog, written at once", () => {
    logger().info("target is active", { target: "backend", after_ms: 12, error: new Error("a b"), none: undefined });
    expect(lines()).toEqual([
      'time=1970-01-01T00:16:40.000Z level=INFO msg="target is active" target=backend after_ms=12 error="a b"',
    ]);
  });

  it("keeps one line per event whatever the text", () => {
    logger().warn("a\nb\u2028c", { "k\n": "v\r\n" });
    expect(lines()).toEqual(['time=1970-01-01T00:16:40.000Z level=WARN msg="a\\nb\\u2028c" "k\\n"="v\\r\\n"']);
  });
});

describe("the json format", () => {
  it("has time, level and msg first", () => {
    logger("json").error("no way", { error: new Error("x"), deep: { a: [1] } });
    expect(lines()).toEqual(['{"time":"1970-01-01T00:16:40.000Z","level":"ERROR","msg":"no way","error":"x","deep":{"a":[1]}}']);
  });

  it("keeps one line per event, free of controls, that reads back the same", () => {
    const message = 'a\nb\x1b\x9b\u2028\ud800"\\';
    logger("json").info(message);
    const line = lines()[0] ?? "";
    expect(line).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(line)).toMatchObject({ msg: message });
  });
});

describe("levels", () => {
  it.each([
    [-8, ["DEBUG", "INFO", "WARN", "ERROR"]],
    [-4, ["DEBUG", "INFO", "WARN", "ERROR"]],
    [-3, ["INFO", "WARN", "ERROR"]],
    [0, ["INFO", "WARN", "ERROR"]],
    [2, ["WARN", "ERROR"]],
    [8, ["ERROR"]],
    [9, []],
  ])("threshold %d lets through %j", (level, expected) => {
    const log = logger("text", level);
    log.debug("m");
    log.info("m");
    log.warn("m");
    log.error("m");
    expect(lines().map((line) => /level=(\w+)/.exec(line)?.[1])).toEqual(expected);
  });
});

describe("with", () => {
  it("adds fields, the nearest winning", () => {
    logger().with({ a: 1, b: 1 }).with({ b: 2 }).info("m", { a: 3 });
    expect(lines()[0]).toMatch(/ msg=m a=3 b=2$/);
  });
});

describe("fields that throw", () => {
  it("do not stop the line", () => {
    logger().info("m", {
      get bad(): string {
        throw new Error("no");
      },
    });
    expect(lines()[0]).toMatch(/ msg=m fields_error=no$/);
  });
});

describe("a log file", () => {
  it("that can't be opened is a fault with path and reason", () => {
    expect(() => logger("text", 0, join(directory, "missing", "x.log"))).toThrow(
      expect.objectContaining({ code: "LOG_UNWRITABLE", message: expect.stringContaining("missing/x.log") as string }) as Error,
    );
    expect(() => logger("text", 0, directory)).toThrow(expect.objectContaining({ code: "LOG_UNWRITABLE" }) as Error);
  });

  it("that is a fifo without a reader is a fault, not a wait", () => {
    spawnSync("/usr/bin/mkfifo", [file]);
    expect(() => logger()).toThrow(expect.objectContaining({ code: "LOG_UNWRITABLE" }) as Error);
  });

  it("is opened anew by name", () => {
    const log = logger();
    log.info("one");
    renameSync(file, `${file}.1`);
    log.info("two");
    log.reopen();
    log.info("three");
    expect(lines(`${file}.1`).map((line) => line.split("msg=")[1])).toEqual(["one", "two"]);
    expect(lines().map((line) => line.split("msg=")[1])).toEqual(["three"]);
  });

  it("stays in use when it can't be opened anew", () => {
    const log = logger();
    const before = readdirSync("/proc/self/fd").length;
    renameSync(directory, `${directory}.moved`);
    log.reopen();
    log.reopen();
    log.info("still here");
    renameSync(`${directory}.moved`, directory);
    log.reopen();
    log.info("anew");
    expect(lines().map((line) => /msg=("[^"]*"|\w+)/.exec(line)?.[1])).toEqual([
      '"log file could not be opened anew; the old one stays in use"',
      '"log file could not be opened anew; the old one stays in use"',
      '"still here"',
      "anew",
    ]);
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });

  it("takes nothing after close, which may be called again", async () => {
    const log = logger();
    log.info("one");
    await log.close();
    await log.close();
    log.info("two");
    log.reopen();
    expect(lines()).toHaveLength(1);
  });
});

describe("another configuration", () => {
  const messages = (path: string): (string | undefined)[] => lines(path).map((line) => /msg"?[=:]"?(\w+)/.exec(line)?.[1]);

  it("goes to another file, for each Log that was made of it, and lets go of the old one", () => {
    const log = logger();
    const child = log.with({ target: "backend" });
    child.info("one");
    const before = readdirSync("/proc/self/fd").length;
    const other = join(directory, "other.log");
    log.configure({ output: other, level: 4, format: "json" });
    child.info("two");
    child.warn("three");
    log.configure({ output: other, level: -4, format: "json" });
    child.debug("four");
    expect([messages(file), messages(other)]).toEqual([["one"], ["three", "four"]]);
    expect(JSON.parse(lines(other)[0] ?? "")).toMatchObject({ level: "WARN", msg: "three", target: "backend" });
    expect(readdirSync("/proc/self/fd").length).toBe(before);
    // and from now on that is the one that is rotated
    renameSync(other, `${other}.1`);
    log.reopen();
    log.info("five");
    expect(messages(other)).toEqual(["five"]);
  });

  it("goes from standard error to a file and back", () => {
    const log = logger("text", 9, "stderr");
    const before = readdirSync("/proc/self/fd").length;
    log.configure({ output: file, level: 0, format: "text" });
    log.info("one");
    log.configure({ output: "stderr", level: 9, format: "text" });
    log.error("two");
    expect(messages(file)).toEqual(["one"]);
    expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
  });

  it("changes nothing when its file can't be written", () => {
    const log = logger();
    for (const output of [join(directory, "missing", "x.log"), directory]) {
      expect(() => {
        log.configure({ output, level: 8, format: "json" });
      }).toThrow(expect.objectContaining({ code: "LOG_UNWRITABLE" }) as Error);
    }
    log.info("one");
    expect(lines()).toEqual(["time=1970-01-01T00:16:40.000Z level=INFO msg=one"]);
    renameSync(file, `${file}.1`);
    log.reopen();
    log.info("two");
    expect(messages(file)).toEqual(["two"]);
  });

  it("is ignored once it is closed", async () => {
    const log = logger();
    await log.close();
    log.configure({ output: join(directory, "other.log"), level: 0, format: "text" });
    log.info("one");
    expect(readdirSync(directory)).toEqual(["proxygw.log"]);
  });
});

describe("an output that takes nothing", () => {
  it("neither throws nor keeps close waiting for more than a second", async () => {
    const clock = new FakeClock();
    const log = createLogger({ output: "/dev/full", level: 0, format: "text" }, clock);
    for (let count = 0; count < 3; count++) log.info("x".repeat(500_000));
    const closed = log.close();
    await clock.advance(1100);
    await closed;
    expect(clock.sleeping).toBe(0);
  });

  it("gets what it missed later, and is told what is lost", async () => {
    spawnSync("/usr/bin/mkfifo", [file]);
    const reader = spawn("cat", [file], { stdio: ["ignore", "pipe", "ignore"] });
    const clock = new FakeClock();
    const log = await opened(() => createLogger({ output: file, level: 0, format: "text" }, clock));
    const long = "x".repeat(100_000);
    // cat's own output is not read yet, so that two pipes fill up; then comes the megabyte that is kept
    for (let count = 0; count < 20; count++) log.info(long, { count });
    let text = "";
    reader.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    for (let turn = 0; turn < 100 && !text.includes("lost"); turn++) {
      await clock.advance(100);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const ended = new Promise((resolve) => reader.once("close", resolve));
    await log.close();
    await ended;
    const got = text.split("\n").slice(0, -1);
    const lost = Number(/msg="log lines were lost" lines=(\d+)/.exec(got.at(-1) ?? "")?.[1]);
    expect(lost).toBeGreaterThan(0);
    expect(got).toHaveLength(20 - lost + 1);
    expect(got.slice(0, -1).every((line) => line.includes(`msg=${long} count=`))).toBe(true);
  });

  /** A fifo can be opened once its reader is there. */
  async function opened(open: () => Logger): Promise<Logger> {
    for (let turn = 0; ; turn++) {
      try {
        return open();
      } catch (error) {
        if (turn === 200) throw error;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }
});
