import { describe, expect, it } from "vitest";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import type { FrontendConfig } from "../config/types.ts";
import { collectingLog } from "../log/collecting-log.ts";
import type { TargetState } from "../target/state.ts";
import { GuardedHandler } from "./guarded-handler.ts";
import type { FrontendHandler, FrontendTarget } from "./handler.ts";

const CONFIG = { name: "front", kind: { namespace: "test", name: "rogue" } } as unknown as FrontendConfig;
const STUCK = { code: "HANDLER_STUCK" };
const never = new Promise<never>(() => undefined);
const signal = new AbortController().signal;

function thrower(): never {
  throw new Error("thrown");
}

function setUp(handler: Partial<FrontendHandler>, create?: (target: FrontendTarget) => FrontendHandler) {
  const clock = new FakeClock();
  const log = collectingLog();
  const warmed: string[] = [];
  const listeners = new Set<(state: TargetState) => void>();
  const target: FrontendTarget = {
    name: "backend",
    state: "inactive",
    warm: (reason) => void warmed.push(reason),
    want: () => ({ release: () => undefined }),
    onState: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  let view = target;
  const done = (): Promise<void> => Promise.resolve();
  const guarded = new GuardedHandler({
    config: CONFIG,
    clock,
    log,
    target,
    create:
      create ??
      ((given) => {
        view = given;
        return { start: done, stop: done, close: done, ...handler };
      }),
  });
  return { clock, log, guarded, warmed, listeners, view };
}

describe("a frontend's handler", () => {
  it("that cannot be made fails each start, and can be stopped and closed", async () => {
    const { guarded } = setUp({}, thrower);
    const message = 'the handler of the frontend "front" (test:rogue) could not be made';
    await expect(guarded.start(signal)).rejects.toMatchObject({ code: "HANDLER_FAILED", message });
    guarded.held("192.0.2.1:1");
    await guarded.stop();
    await guarded.close();
  });

  it("that never settles is given up in each of its calls", async () => {
    const { clock, guarded } = setUp({ start: () => never, stop: () => never, close: () => never });
    const started = expect(guarded.start(signal)).rejects.toMatchObject(STUCK);
    await clock.advance(30_000);
    await started;
    const stopped = expect(guarded.stop()).rejects.toMatchObject(STUCK);
    await clock.advance(10_000);
    await stopped;
    const closed = expect(guarded.close()).rejects.toMatchObject(STUCK);
    await clock.advance(10_000);
    await closed;
    expect(clock.sleeping).toBe(0);
  });

  it("that starts after it was given up is stopped", async () => {
    let begin: () => void = () => undefined;
    const calls: string[] = [];
    const { clock, guarded } = setUp({
      start: () => new Promise<void>((resolve) => (begin = resolve)),
      stop: () => {
        calls.push("stop");
        return Promise.resolve();
      },
    });
    const started = expect(guarded.start(signal)).rejects.toMatchObject(STUCK);
    await clock.advance(30_000);
    await started;
    begin();
    await settle();
    expect(calls).toEqual(["stop"]);
  });

  it.each(["throws", "rejects"])("that %s in held() or a listener is logged", async (how) => {
    const fail = (how === "throws" ? thrower : () => Promise.reject(new Error("thrown"))) as () => void;
    const { guarded, log, view, listeners } = setUp({ held: fail });
    view.onState(fail);
    guarded.held("192.0.2.1:1");
    for (const listener of listeners) listener("active");
    await settle();
    expect(log.entries).toMatchObject([
      { level: "error", message: "the frontend's handler failed on a held flow", fields: { error: "thrown" } },
      { level: "error", message: "the frontend's handler failed on a change of its target's state" },
    ]);
  });

  it("that calls after close asks for nothing", async () => {
    const { guarded, warmed, listeners, view } = setUp({});
    view.warm("before");
    await guarded.close();
    view.warm("after");
    view.want().release();
    view.onState(() => undefined)();
    expect([warmed, listeners.size]).toEqual([["before"], 0]);
  });
});
