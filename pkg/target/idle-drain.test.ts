import { describe, expect, it } from "vitest";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import { Fault } from "../fault/fault.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { IdleDrain } from "./idle-drain.ts";
import { Wants } from "./wants.ts";

const QUIET = { quietFor: () => Promise.resolve(undefined), flows: () => Promise.resolve({ count: 0, longestMs: 0 }) };

function setUp(failure?: Error) {
  const clock = new FakeClock();
  const log = collectingLog();
  const wants = new Wants();
  const begun = clock.now();
  const drains: { reason: string; at: number; idleAt: number; aborted: boolean }[] = [];
  const idle = new IdleDrain({
    group: QUIET,
    idleTimeoutMs: 60_000,
    clock,
    log,
    wants,
    drain: (reason, idleAt, { aborted }) => {
      drains.push({ reason, at: clock.now() - begun, idleAt: idleAt - begun, aborted });
      return failure === undefined ? Promise.resolve() : Promise.reject(failure);
    },
  });
  return { clock, log, wants, drains, idle };
}

describe("IdleDrain", () => {
  it("drains once, and says after how long", async () => {
    const { clock, idle, drains, log } = setUp();
    idle.start();
    await clock.advance(500_000);
    expect(drains).toEqual([{ reason: "idle for 60000 ms", at: 60_000, idleAt: 60_000, aborted: false }]);
    expect([log.entries, clock.sleeping]).toEqual([[], 0]);
  });

  it("says the timeout that it went by in the end", async () => {
    const { clock, idle, drains } = setUp();
    idle.start();
    await clock.advance(5000);
    idle.setIdleTimeout(20_000);
    await clock.advance(500_000);
    expect(drains).toEqual([{ reason: "idle for 20000 ms", at: 20_000, idleAt: 20_000, aborted: false }]);
  });

  it("waits for those that want the target, also when they come in the meantime", async () => {
    const { clock, idle, drains, wants } = setUp();
    const first = wants.add("first");
    idle.start();
    await clock.advance(100_000);
    first();
    const second = wants.add("second");
    await clock.advance(100_000);
    expect(drains).toEqual([]);
    second();
    await clock.advance(0);
    expect(drains).toMatchObject([{ at: 200_000 }]);
  });

  it("is over when it is stopped, however often", async () => {
    const { clock, idle, drains, log } = setUp();
    idle.start();
    await clock.advance(59_000);
    idle.stop();
    idle.stop();
    idle.setIdleTimeout(1);
    await clock.advance(500_000);
    expect([drains, log.entries, clock.sleeping]).toEqual([[], [], 0]);
  });

  it.each([
    [new Fault("TARGET_BUSY", "traffic came while draining"), []],
    [new Error("cannot be killed"), ["could not drain the idle target"]],
  ])("logs a drain that failed, unless it was called off: %s", async (failure, messages) => {
    const { clock, idle, log } = setUp(failure);
    idle.start();
    await clock.advance(60_000);
    await settle();
    expect(log.messages("error")).toEqual(messages);
  });
});
