import { describe, expect, it } from "vitest";
import { FakeClock } from "../../pkg/clock/fake-clock.ts";
import { collectingLog } from "../../pkg/log/collecting-log.ts";
import type { FrontendHandler } from "../../pkg/frontend/handler.ts";
import { ALWAYS_KIND } from "./always-frontend.ts";
import { FakeFrontendTarget } from "./fake-frontend-target.ts";

const NEVER = new AbortController().signal;

function make(): { clock: FakeClock; target: FakeFrontendTarget; frontend: FrontendHandler } {
  const clock = new FakeClock();
  const target = new FakeFrontendTarget();
  const context = {
    name: "public",
    protocol: "tcp",
    listen: [],
    options: {} as never,
    log: collectingLog(),
    clock,
    target,
  } as const;
  return { clock, target, frontend: ALWAYS_KIND.create(context) };
}

describe("static:always", () => {
  it("asks for its target every second, and wants it, from start to stop", async () => {
    const { clock, target, frontend } = make();
    expect([target.reasons.length, target.wants]).toEqual([0, 0]);
    await frontend.start(NEVER);
    expect([target.reasons.length, target.wants]).toEqual([1, 1]);
    await clock.advance(3000);
    expect(target.reasons).toHaveLength(4);
    expect(target.reasons[0]).toBe("frontend public always wants it");
    await frontend.stop();
    expect([clock.sleeping, target.wants]).toEqual([0, 0]);
    await clock.advance(3000);
    expect(target.reasons).toHaveLength(4);
  });

  it("asks for its target when a connection is held, in between", async () => {
    const { target, frontend } = make();
    await frontend.start(NEVER);
    frontend.held?.("192.0.2.1:4000");
    expect(target.reasons.at(-1)).toBe("connection from 192.0.2.1:4000");
    expect(target.sources).toEqual(["192.0.2.1:4000"]);
    await frontend.close();
  });

  it("starts again, and closes whatever it does", async () => {
    const { clock, target, frontend } = make();
    await frontend.stop();
    await frontend.start(NEVER);
    await frontend.stop();
    await frontend.start(NEVER);
    await clock.advance(1000);
    expect([target.reasons.length, target.wants]).toEqual([3, 1]);
    await frontend.close();
    await frontend.close();
    expect([clock.sleeping, target.wants]).toEqual([0, 0]);
  });

  it("does not start when that was called off", async () => {
    const { target, frontend } = make();
    const reason = new Error("called off");
    await expect(frontend.start(AbortSignal.abort(reason))).rejects.toBe(reason);
    expect([target.reasons.length, target.wants]).toEqual([0, 0]);
  });
});
