import { describe, expect, it } from "vitest";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import { FakeDataplane } from "../dataplane/fake.ts";
import { Fault } from "../fault/fault.ts";
import { collectingLog } from "../log/collecting-log.ts";
import type { TargetHandler } from "./handler.ts";
import { TARGET_CONFIG } from "./open-target.ts";
import { ScriptedHandler } from "./scripted-handler.ts";
import { Target } from "./target.ts";

const ASKED = { reason: "asked" };
const never = new Promise<never>(() => undefined);

/** A target whose handler does wrong, as a plugin that is not written in TypeScript could. */
async function setUp(create: (died: (reason: Fault) => void) => TargetHandler) {
  const clock = new FakeClock();
  const log = collectingLog();
  const dataplane = new FakeDataplane(clock, log);
  await dataplane.start({ routeLocalnet: false, forwardIPv4: false, forwardIPv6: false, hold: true });
  await dataplane.commit();
  const target = new Target({
    config: TARGET_CONFIG,
    dataplane,
    clock,
    log,
    prepare: () => Promise.resolve(),
    untilReady: () => Promise.resolve(),
    createHandler: create,
  });
  const opened = target.open(true);
  return { clock, log, target, opened };
}

class Rogue extends ScriptedHandler {
  readonly stopLimitMs: number = 5000;
}

function thrower(): never {
  throw new Error("thrown");
}

describe("a target's handler", () => {
  it("that cannot be made leaves its target inactive, with the reason, and each warm fails with it", async () => {
    const { target, opened } = await setUp(thrower);
    await opened;
    const message = 'the handler of the target "backend" (test:scripted) could not be made: thrown';
    expect([target.state, target.lastError?.message]).toEqual(["inactive", message]);
    await expect(target.warm(ASKED)).rejects.toMatchObject({ code: "HANDLER_FAILED" });
    expect(target.state).toBe("inactive");
    await target.close();
    expect(target.state).toBe("closed");
  });

  it("that throws in every call fails as if it had rejected", async () => {
    const rogue = { adopt: thrower, warm: thrower, drain: thrower, close: thrower };
    const { target, opened } = await setUp(() => rogue);
    await opened;
    await expect(target.warm(ASKED)).rejects.toThrow("thrown");
    rogue.warm = () => Promise.resolve() as never;
    await target.warm(ASKED);
    await expect(target.drain("asked", true)).rejects.toThrow("thrown");
    expect(target.state).toBe("inactive");
    await expect(target.close()).rejects.toThrow("thrown");
    expect(target.state).toBe("closed");
  });

  it("that never adopts keeps the start waiting no longer than its stop may take", async () => {
    const rogue = new Rogue();
    rogue.adopt = () => never;
    const { clock, target, opened } = await setUp(() => rogue);
    await clock.advance(5000);
    await opened;
    expect(target.lastError?.message).toContain("adopt did not end within 5000 ms");
  });

  it("that never warms is given up: it is not asked again before it has ended, and what it started late is stopped", async () => {
    const rogue = new Rogue();
    let end: () => void = () => undefined;
    rogue.warmGate = new Promise((resolve) => {
      end = resolve;
    });
    // it does not heed its signal
    rogue.warm = async () => {
      rogue.calls.push("warm");
      await rogue.warmGate;
    };
    const { clock, target, opened } = await setUp(() => rogue);
    await opened;
    const givenUp = expect(target.warm(ASKED)).rejects.toMatchObject({ code: "HANDLER_STUCK" });
    await clock.advance(34_999);
    expect(target.state).toBe("warming");
    await clock.advance(1);
    await givenUp;
    expect(target.state).toBe("inactive");
    const again = target.warm(ASKED);
    await clock.advance(1000);
    expect(rogue.calls).toEqual(["warm"]);
    end();
    await again;
    expect(rogue.calls).toEqual(["warm", "drain", "warm"]);
    expect(target.state).toBe("active");
    await target.close();
    expect(clock.sleeping).toBe(0);
  });

  it("that never drains nor closes does not keep its target from closing", async () => {
    const rogue = new Rogue();
    const { clock, target, opened } = await setUp(() => rogue);
    await opened;
    await target.warm(ASKED);
    rogue.drain = () => never;
    rogue.close = () => never;
    const closed = target.close();
    const refused = expect(closed).rejects.toMatchObject({
      errors: [{ code: "HANDLER_STUCK" }, { message: expect.stringContaining("close did not end") as string }],
    });
    await clock.advance(5000);
    expect(target.state).toBe("inactive");
    await clock.advance(5000);
    await refused;
    expect(target.state).toBe("closed");
  });

  it("that calls back at any time and with anything, also after close, harms nothing", async () => {
    const rogue = new Rogue();
    let died: (reason?: unknown) => void = () => undefined;
    const { log, target, opened } = await setUp((given) => {
      died = given as typeof died;
      died("before everything");
      return rogue;
    });
    await opened;
    died();
    await target.warm(ASKED);
    died("of something");
    await settle();
    expect([target.state, target.lastError?.message]).toEqual(["inactive", "the service ended: of something"]);
    await target.close();
    const told = log.entries.length;
    died(new Fault("COMMAND_EXITED", "again"));
    await settle();
    expect([target.state, log.entries.length]).toEqual(["closed", told]);
  });
});
