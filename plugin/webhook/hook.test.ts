import { describe, expect, it } from "vitest";
import { FakeClock, settle } from "../../pkg/clock/fake-clock.ts";
import { collectingLog } from "../../pkg/log/collecting-log.ts";
import { Hook, type HookOptions } from "./hook.ts";
import type { Message } from "./message.ts";
import type { Outcome } from "./sender.ts";

const DELIVERED: Outcome = { result: "delivered" };
const FAILED: Outcome = { result: "failed", why: "status 500" };

function message(id: string): Message {
  return { id, body: "{}" };
}

/** A receiver that answers as it is told, by default that all is well; each attempt is noted with its time. */
function setUp(options: Partial<HookOptions> = {}) {
  const clock = new FakeClock();
  const log = collectingLog();
  const begin = clock.now();
  const attempts: string[] = [];
  const answers: (Outcome | ((signal: AbortSignal) => Promise<Outcome>))[] = [];
  const hook = new Hook({
    capacity: 3,
    retries: 10,
    clock,
    log,
    random: () => 0.999_999,
    post: async ({ id }, signal) => {
      attempts.push(`${id} at ${clock.now() - begin}`);
      const answer = answers.shift() ?? DELIVERED;
      return typeof answer === "function" ? answer(signal) : answer;
    },
    ...options,
  });
  return { clock, log, hook, attempts, answers };
}

/** Does not answer before the attempt is given up. */
function hanging(signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    const onAbort = (): void => {
      resolve({ result: "failed", why: "given up" });
    };
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort);
  });
}

describe("a hook", () => {
  it("delivers in order, one at a time, and is ready for more", async () => {
    const { hook, attempts, log } = setUp();
    for (const id of ["a", "b"]) hook.push(message(id));
    await settle();
    hook.push(message("c"));
    await settle();
    expect(attempts).toEqual(["a at 0", "b at 0", "c at 0"]);
    expect(log.entries).toEqual([]);
  });

  it("takes what is pushed in the very moment in which the last one was delivered", async () => {
    const { hook, attempts } = setUp({ capacity: 100 });
    hook.push(message("first"));
    for (let turn = 0; turn < 20; turn++) {
      hook.push(message(String(turn)));
      await Promise.resolve();
    }
    await settle();
    expect(attempts).toHaveLength(21);
  });

  it("tries again, after twice as long each time, and tells once", async () => {
    const { hook, attempts, answers, clock, log } = setUp();
    answers.push(FAILED, FAILED, FAILED);
    hook.push(message("a"));
    await clock.advance(60_000);
    expect(attempts).toEqual(["a at 0", "a at 1000", "a at 3000", "a at 7000"]);
    expect(log.entries.map(({ level, message: text, fields }) => ({ level, text, fields }))).toEqual([
      { level: "warn", text: "a webhook was not delivered", fields: { error: "status 500", retry_in_ms: 1000 } },
      { level: "debug", text: "a webhook was not delivered", fields: { error: "status 500", retry_in_ms: 2000 } },
      { level: "debug", text: "a webhook was not delivered", fields: { error: "status 500", retry_in_ms: 4000 } },
      { level: "info", text: "webhooks are delivered again", fields: { failed_attempts: 3 } },
    ]);
  });

  it("takes up to half off each delay, and waits no longer than five minutes", async () => {
    const { hook, attempts, answers, clock } = setUp({ random: () => 0 });
    answers.push(...Array.from({ length: 10 }, () => FAILED));
    hook.push(message("a"));
    await clock.advance(10_000_000);
    const times = attempts.map((each) => Number(each.replace("a at ", "")));
    expect(times.slice(1).map((each, index) => each - (times[index] ?? 0))).toEqual([
      500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 150_000,
    ]);
  });

  it("waits as long as the receiver asks for, if that is longer", async () => {
    const { hook, attempts, answers, clock } = setUp();
    answers.push({ ...FAILED, retryAfterMs: 30_000 }, { ...FAILED, retryAfterMs: 10 });
    hook.push(message("a"));
    await clock.advance(100_000);
    expect(attempts).toEqual(["a at 0", "a at 30000", "a at 32000"]);
  });

  it("gives up after so many retries, and goes on with the next one", async () => {
    const { hook, attempts, answers, clock, log } = setUp({ retries: 1 });
    answers.push(FAILED, FAILED);
    for (const id of ["a", "b"]) hook.push(message(id));
    await clock.advance(10_000);
    expect(attempts).toEqual(["a at 0", "a at 1000", "b at 1000"]);
    expect(log.entries.find(({ level }) => level === "error")).toMatchObject({
      message: "webhooks were lost",
      fields: { lost: 1, error: "status 500" },
    });
  });

  it("does not try again what is refused", async () => {
    const { hook, attempts, answers, clock, log } = setUp();
    answers.push({ result: "refused", why: "status 404" });
    for (const id of ["a", "b"]) hook.push(message(id));
    await clock.advance(10_000);
    expect(attempts).toEqual(["a at 0", "b at 0"]);
    expect(log.entries[0]).toMatchObject({ level: "error", fields: { lost: 1, error: "status 404" } });
  });

  it("loses the oldest that waits when the queue is full, and tells of it once a minute", async () => {
    const { hook, attempts, answers, clock, log } = setUp();
    answers.push(FAILED, FAILED, FAILED, FAILED, FAILED, FAILED);
    for (const id of "abcdefg") hook.push(message(id));
    const lost = (): unknown[] => log.entries.filter(({ level }) => level === "error").map(({ fields }) => fields["lost"]);
    expect(lost()).toEqual([1]);
    // after 63 s it is delivered
    await clock.advance(61_000);
    hook.push(message("h"));
    expect(lost()).toEqual([1, 3]);
    hook.push(message("i"));
    await clock.advance(10_000);
    expect(attempts.filter((each) => !each.startsWith("a"))).toEqual(["g at 63000", "h at 63000", "i at 63000"]);
    expect(lost()).toEqual([1, 3, 1]);
  });

  it("sends what waits when it is closed, and takes nothing more", async () => {
    const { hook, attempts, answers, clock, log } = setUp();
    answers.push(FAILED);
    for (const id of ["a", "b"]) hook.push(message(id));
    await settle();
    await hook.close(5000);
    hook.push(message("c"));
    await settle();
    expect(attempts).toEqual(["a at 0", "a at 0", "b at 0"]);
    expect(log.entries.filter(({ level }) => level === "error")).toEqual([]);
    expect(clock.sleeping).toBe(0);
    await hook.close(5000);
  });

  it("does not wait for a receiver that is away when it is closed, and tells what is lost", async () => {
    const { hook, attempts, answers, clock, log } = setUp();
    answers.push(FAILED, FAILED);
    for (const id of ["a", "b", "c"]) hook.push(message(id));
    await settle();
    await hook.close(5000);
    expect(attempts).toEqual(["a at 0", "a at 0"]);
    const lost = log.entries.filter(({ level }) => level === "error").map(({ fields }) => fields["lost"]);
    expect(lost.reduce((sum: number, each) => sum + Number(each), 0)).toBe(3);
    expect(clock.sleeping).toBe(0);
  });

  it("gives up a receiver that hangs when its time is over", async () => {
    const { hook, answers, clock } = setUp();
    answers.push(hanging, hanging);
    for (const id of ["a", "b"]) hook.push(message(id));
    await settle();
    let isClosed = false;
    const closed = hook.close(5000).then(() => (isClosed = true));
    await clock.advance(4999);
    expect(isClosed).toBe(false);
    await clock.advance(1);
    await closed;
    expect(clock.sleeping).toBe(0);
  });
});
