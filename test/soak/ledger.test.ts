import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Outcome } from "./crowd.ts";
import { Journal } from "./journal.ts";
import { type FaultKind, Ledger } from "./ledger.ts";
import type { Door } from "./scenario.ts";

const BEGIN = Date.parse("2026-01-01T12:00:00.000Z");
const DOOR: Door = {
  name: "door",
  target: "a",
  frontend: "front-a",
  host: "client",
  protocol: "tcp",
  address: "192.0.2.1",
  port: 80,
  style: "brief",
  answers: ["yes"],
  normal: [],
  isPage: false,
  thinks: [1],
  patience: 10,
  late: 1000,
};
const CRASH: FaultKind = {
  name: "crash",
  explains: [{ results: ["timeout"], cold: true }],
  complaints: [/the queue failed/],
  failsTargets: true,
};

describe("Ledger", () => {
  let directory: string;
  let ledger: Ledger;
  let journal: Journal;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "proxygw-ledger-"));
    journal = new Journal(join(directory, "log"));
    ledger = new Ledger([DOOR, { ...DOOR, name: "other", target: "b" }], journal);
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  function outcome(fields: Partial<Outcome>): Outcome {
    return { door: "door", opened: BEGIN, begin: BEGIN, end: BEGIN + 100, result: "ok", ...fields };
  }

  /** Seconds after the beginning, and what is not usual. */
  async function log(...lines: [number, Record<string, unknown>][]): Promise<void> {
    const text = lines.map(([seconds, fields]) => {
      const time = new Date(BEGIN + 1000 * seconds).toISOString();
      return JSON.stringify({ time, level: "INFO", msg: "target state", target: "a", ...fields });
    });
    await writeFile(join(directory, "log"), text.map((line) => `${line}\n`).join(""));
    await journal.read();
  }

  it("takes every error for a problem that no fault explains", () => {
    ledger.take([outcome({}), outcome({ result: "refused" }), outcome({ result: "wrong", detail: "no" })]);
    expect(ledger.problems().map(({ text }) => text.split(" (")[0])).toEqual([
      "client door at 192.0.2.1: refused ",
      "client door at 192.0.2.1: wrong no",
    ]);
    expect([ledger.count, ledger.clear]).toEqual([3, 3]);
  });

  it("explains only results that the fault may have, for whom it concerns, and while it lasts", () => {
    const window = ledger.begin(CRASH, BEGIN + 50);
    window.to = BEGIN + 80;
    window.targets = new Set(["a"]);
    ledger.take([outcome({ result: "timeout" })]);
    expect(ledger.problems()).toEqual([]);
    expect(ledger.explained.get("crash")).toEqual(new Map([["timeout", 1]]));
    ledger.take([
      outcome({ result: "refused" }),
      outcome({ result: "timeout", door: "other" }),
      outcome({ result: "timeout", opened: BEGIN + 2000, begin: BEGIN + 2000, end: BEGIN + 3000 }),
      outcome({ result: "timeout", end: BEGIN + 49 }),
    ]);
    expect(ledger.problems()).toHaveLength(4);
  });

  it("does not explain what became of clients of an active target, where only others may notice", async () => {
    ledger.begin(CRASH, BEGIN);
    await log([-1, { from: "warming", to: "active" }]);
    ledger.take([outcome({ result: "timeout" })]);
    expect(ledger.problems()).toHaveLength(1);
  });

  it("knows a packet that was lost on the way to an active target, and an answer that came late", async () => {
    await log([-1, { from: "warming", to: "active" }]);
    ledger.take([
      outcome({ resent: 1, end: BEGIN + 950 }),
      // answered at once, whatever was sent again
      outcome({ resent: 1 }),
      outcome({ end: BEGIN + 1001 }),
      // it was not active then
      outcome({ resent: 1, opened: BEGIN - 5000, begin: BEGIN - 5000, end: BEGIN - 4500 }),
    ]);
    expect(ledger.problems().map(({ text }) => /: (\w+)/.exec(text)?.[1])).toEqual(["resent", "late"]);
  });

  it("takes a target for active after a restart only if the new daemon has found it so", async () => {
    await log(
      [-9, { from: "warming", to: "active" }],
      [-8, { from: "warming", to: "active", target: "b" }],
      [-1.5, { from: "warming", to: "active", target: "b" }],
      [-1, { msg: "ready", target: undefined, took_ms: 600 }],
    );
    const end = BEGIN + 950;
    ledger.take([outcome({ resent: 1, end }), outcome({ resent: 1, end, door: "other" })]);
    expect(ledger.problems().map(({ text }) => text.split(" ")[1])).toEqual(["other"]);
  });

  it("explains the delay after a failure that a fault has caused, and no other failure", async () => {
    const window = ledger.begin(CRASH, BEGIN);
    window.to = BEGIN + 100;
    await log(
      [0.1, { level: "ERROR", from: "warming", to: "inactive", error: "died", retry_in_ms: 2000 }],
      [9, { level: "ERROR", from: "warming", to: "inactive", error: "died", retry_in_ms: 2000 }],
    );
    const refused = (seconds: number): Outcome => {
      const at = BEGIN + 1000 * seconds;
      return outcome({ result: "refused", opened: at, begin: at, end: at });
    };
    ledger.take([refused(1.9), refused(3.5), refused(9.5)]);
    expect(ledger.problems().map(({ time }) => (time - BEGIN) / 1000)).toEqual([3.5, 9.5, 9]);
  });

  it("takes complaints in the log for problems, unless a fault may cause them", async () => {
    const window = ledger.begin(CRASH, BEGIN);
    window.to = BEGIN + 100;
    await log(
      [0.1, { level: "WARN", msg: "the queue failed" }],
      [0.1, { level: "WARN", msg: "something else" }],
      [5, { level: "ERROR", msg: "the queue failed" }],
    );
    expect(ledger.problems().map(({ text }) => text)).toEqual(["log: WARN something else a", "log: ERROR the queue failed a"]);
  });
});
