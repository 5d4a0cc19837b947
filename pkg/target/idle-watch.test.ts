import { describe, expect, it } from "vitest";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import type { FlowSummary } from "../dataplane/dataplane.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { IdleWatch } from "./idle-watch.ts";

/** A group whose packets and flows the test sets, counting the questions asked. */
class ScriptedGroup {
  lastPacket: number | undefined;
  /** End of life of each silent flow, on the clock. */
  flowEnds: number[] = [];
  asked = { quietFor: 0, flows: 0 };
  failing = false;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  quietFor(): Promise<number | undefined> {
    this.asked.quietFor++;
    if (this.failing) return Promise.reject(new Error("nft failed"));
    return Promise.resolve(this.lastPacket === undefined ? undefined : this.#clock.now() - this.lastPacket);
  }

  flows(): Promise<FlowSummary> {
    this.asked.flows++;
    const left = this.flowEnds.map((end) => end - this.#clock.now()).filter((each) => each > 0);
    return Promise.resolve({ count: left.length, longestMs: Math.floor(Math.max(0, ...left) / 1000) * 1000 });
  }
}

function setUp(idleTimeoutMs = 60_000) {
  const clock = new FakeClock();
  const group = new ScriptedGroup(clock);
  const watch = new IdleWatch({ group, idleTimeoutMs, clock, log: collectingLog() });
  const start = clock.now();
  const abort = new AbortController();
  let idleAt: number | undefined;
  const ended = watch.idle(abort.signal).then(() => {
    idleAt = clock.now() - start;
  });
  return { clock, group, watch, start, abort, ended, idleAt: () => idleAt };
}

describe("IdleWatch", () => {
  it("finds a target idle that nobody ever used", async () => {
    const { clock, idleAt } = setUp();
    await clock.advance(59_999);
    expect(idleAt()).toBeUndefined();
    await clock.advance(1);
    expect(idleAt()).toBe(60_000);
  });

  it("counts from the last packet, with one question per idle timeout", async () => {
    const { clock, group, start, idleAt } = setUp();
    for (let second = 0; second < 600; second++) {
      group.lastPacket = clock.now();
      await clock.advance(1000);
    }
    expect(idleAt()).toBeUndefined();
    expect(group.asked).toEqual({ quietFor: 10, flows: 0 });
    await clock.advance(70_000);
    expect(idleAt()).toBe((group.lastPacket ?? 0) - start + 60_000);
    expect(group.asked.flows).toBe(1);
  });

  it("keeps a target for a silent open flow, and counts from the flow's end", async () => {
    const { clock, group, start, idleAt } = setUp();
    group.lastPacket = clock.now() + 10_000;
    await clock.advance(10_000);
    group.flowEnds = [start + 310_425];
    await clock.advance(400_000);
    // found to within one step, and never before its time
    expect(idleAt()).toBeGreaterThanOrEqual(310_425 + 60_000);
    expect(idleAt()).toBeLessThanOrEqual(310_425 + 60_000 + 50);
    expect(group.asked.flows).toBeLessThan(20);
  });

  it("says when it is due: an idle timeout after the last packet that it knows of, or after the end of a silent flow", async () => {
    const { clock, group, watch, start } = setUp();
    const due = (): number => watch.due - start;
    expect(due()).toBe(60_000);
    await clock.advance(20_000);
    group.lastPacket = clock.now();
    expect(due()).toBe(60_000);
    await clock.advance(40_000);
    expect(due()).toBe(80_000);
    watch.setIdleTimeout(40_000);
    expect(due()).toBe(60_000);
    group.flowEnds = [start + 300_000];
    await clock.advance(1);
    expect(due()).toBe(340_000);
  });

  it("counts from the packets that close a silent flow", async () => {
    const { clock, group, start, idleAt } = setUp();
    group.flowEnds = [start + 600_000];
    await clock.advance(200_000);
    group.flowEnds = [];
    group.lastPacket = clock.now();
    await clock.advance(600_000);
    expect(idleAt()).toBe(260_000);
  });

  it("goes on after a question that failed", async () => {
    const { clock, group, idleAt } = setUp();
    group.failing = true;
    await clock.advance(100_000);
    expect(idleAt()).toBeUndefined();
    group.failing = false;
    await clock.advance(5000);
    expect(idleAt()).toBeDefined();
  });

  it("ends with the signal's reason", async () => {
    const { abort, ended, clock } = setUp();
    await settle();
    abort.abort(new Error("no longer active"));
    await expect(ended).rejects.toThrow("no longer active");
    expect(clock.sleeping).toBe(0);
  });

  it.each([20_000, 100_000])("takes over an idle timeout of %d ms, counted from the same moment", async (timeout) => {
    const { clock, watch, idleAt, group } = setUp();
    await clock.advance(10_000);
    watch.setIdleTimeout(timeout);
    await clock.advance(timeout - 10_001);
    expect([idleAt(), group.asked.quietFor]).toEqual([undefined, 0]);
    await clock.advance(1);
    expect(idleAt()).toBe(timeout);
  });

  it("is idle at once when it has been quiet for the new timeout already", async () => {
    const { clock, watch, idleAt } = setUp();
    await clock.advance(30_000);
    watch.setIdleTimeout(20_000);
    await clock.advance(0);
    expect(idleAt()).toBe(30_000);
  });

  it.each([5000, 200_000])("takes over an idle timeout of %d ms while a silent flow is alive", async (timeout) => {
    const { clock, watch, group, start, idleAt } = setUp();
    group.flowEnds = [start + 300_400];
    await clock.advance(70_000);
    watch.setIdleTimeout(timeout);
    await clock.advance(300_400 + timeout - 70_000 - 100);
    expect(idleAt()).toBeUndefined();
    await clock.advance(200);
    expect(idleAt()).toBeDefined();
  });

  it("counts from the packets that close a silent flow, whatever became of the timeout meanwhile", async () => {
    const { clock, watch, group, start, idleAt } = setUp();
    group.flowEnds = [start + 600_000];
    await clock.advance(150_000);
    watch.setIdleTimeout(40_000);
    await clock.advance(20_000);
    group.flowEnds = [];
    group.lastPacket = clock.now();
    await clock.advance(600_000);
    expect(idleAt()).toBe(210_000);
  });

  it("does not take it for idle when the timeout grew while the kernel was asked", async () => {
    const { clock, watch, group, idleAt } = setUp();
    const flows = group.flows.bind(group);
    group.flows = () => {
      group.flows = flows;
      watch.setIdleTimeout(100_000);
      return flows();
    };
    await clock.advance(99_999);
    expect(idleAt()).toBeUndefined();
    await clock.advance(1);
    expect(idleAt()).toBe(100_000);
  });

  it("ends while it sleeps out the end of a flow", async () => {
    const { abort, clock, ended, group, start } = setUp();
    group.flowEnds = [start + 300_000];
    await clock.advance(70_000);
    abort.abort(new Error("no longer active"));
    await expect(ended).rejects.toThrow("no longer active");
    expect(clock.sleeping).toBe(0);
  });
});
