import { describe, expect, it } from "vitest";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { LimitedCalls } from "./limited-calls.ts";

function setUp() {
  const clock = new FakeClock();
  const log = collectingLog();
  return { clock, log, calls: new LimitedCalls({ whose: "the plugin", clock, log }) };
}

/** A call whose end is in the test's hands. */
function gated() {
  let resolve: (value: string) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<string>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** That its failure is looked at later. */
function awaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** How a promise stands. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  const result = await Promise.race([promise.catch((error: unknown) => error), settle().then(() => "pending")]);
  return result;
}

describe("LimitedCalls", () => {
  it("settles as the call does, and leaves no timer", async () => {
    const { calls, clock } = setUp();
    expect(await calls.call({ step: "a", limitMs: 10, work: () => Promise.resolve(1) })).toBe(1);
    expect(await calls.call({ step: "a", limitMs: 10, work: () => 2 })).toBe(2);
    await expect(calls.call({ step: "a", limitMs: 10, work: () => Promise.reject(new Error("no")) })).rejects.toThrow("no");
    const throws = (): never => {
      throw new Error("at once");
    };
    await expect(calls.call({ step: "a", limitMs: 10, work: throws })).rejects.toThrow("at once");
    expect(clock.sleeping).toBe(0);
  });

  it("gives up a call at its limit, aborts its signal, and swallows and logs its end", async () => {
    const { calls, clock, log } = setUp();
    const { promise, reject } = gated();
    let signal: AbortSignal | undefined;
    const call = awaited(
      calls.call({
        step: "warm",
        limitMs: 100,
        work: (own) => {
          signal = own;
          return promise;
        },
      }),
    );
    await clock.advance(99);
    expect(await outcome(call)).toBe("pending");
    await clock.advance(1);
    expect(await outcome(call)).toMatchObject({
      code: "HANDLER_STUCK",
      message: "the plugin: warm did not end within 100 ms",
    });
    expect(signal?.reason).toMatchObject({ code: "HANDLER_STUCK" });
    expect([calls.stuck, log.entries]).toEqual([true, []]);
    reject(new Error("late"));
    await settle();
    expect(calls.stuck).toBe(false);
    expect(log.entries).toMatchObject([{ level: "warn", fields: { whose: "the plugin", step: "warm", error: "late" } }]);
  });

  it("never has two calls at once: the next one waits for the end of one that was given up, and its undoing", async () => {
    const { calls, clock } = setUp();
    const [first, undone] = [gated(), gated()];
    const events: string[] = [];
    const undo = (value: string): Promise<string> => {
      events.push(`undo ${value}`);
      return undone.promise;
    };
    const stuck = awaited(calls.call({ step: "warm", limitMs: 100, work: () => first.promise, undo }));
    await clock.advance(100);
    expect(await outcome(stuck)).toMatchObject({ code: "HANDLER_STUCK" });
    const next = (): Promise<void> => awaited(calls.call({ step: "warm", limitMs: 50, work: () => void events.push("warm") }));
    const tooEarly = next();
    await clock.advance(50);
    expect(await outcome(tooEarly)).toMatchObject({
      message: "the plugin: warm must wait for warm, which was given up and has not ended",
    });
    const waiting = next();
    first.resolve("it");
    await settle();
    expect(events).toEqual(["undo it"]);
    undone.resolve("");
    await waiting;
    expect(events).toEqual(["undo it", "warm"]);
    expect(clock.sleeping).toBe(0);
  });

  it("makes a call at any rate where that is asked for", async () => {
    const { calls, clock } = setUp();
    const stuck = awaited(calls.call({ step: "drain", limitMs: 100, work: () => new Promise(() => undefined) }));
    await clock.advance(100);
    expect(await outcome(stuck)).toMatchObject({ code: "HANDLER_STUCK" });
    expect(await calls.call({ step: "close", limitMs: 100, work: () => "closed", atAnyRate: true })).toBe("closed");
  });

  it("hands an abort on, and then waits for the end for as long as it is told", async () => {
    const { calls, clock } = setUp();
    const abort = new AbortController();
    const reason = new Error("enough");
    const heeds = (signal: AbortSignal): Promise<never> =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          reject(signal.reason as Error);
        });
      });
    const spec = { step: "warm", limitMs: 1000, settleMs: 50, signal: abort.signal };
    const heeded = awaited(calls.call({ ...spec, work: heeds }));
    const ignored = awaited(calls.call({ ...spec, work: () => new Promise(() => undefined) }));
    await clock.advance(500);
    abort.abort(reason);
    expect(await outcome(heeded)).toBe(reason);
    expect(await outcome(ignored)).toBe("pending");
    await clock.advance(50);
    expect(await outcome(ignored)).toMatchObject({ message: "the plugin: warm did not end within 50 ms" });
    let given: AbortSignal | undefined;
    await expect(
      new LimitedCalls({ whose: "", clock, log: collectingLog() }).call({
        ...spec,
        work: (signal) => {
          given = signal;
          signal.throwIfAborted();
        },
      }),
    ).rejects.toBe(reason);
    expect(given?.aborted).toBe(true);
    expect(clock.sleeping).toBe(0);
  });
});
