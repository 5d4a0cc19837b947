import { describe, expect, it } from "vitest";
import { FakeClock } from "../clock/fake-clock.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { watch, watchdogLimit } from "./watchdog.ts";

describe("watchdogLimit", () => {
  it.each([
    [{}, undefined],
    [{ WATCHDOG_USEC: "" }, undefined],
    [{ WATCHDOG_USEC: "0" }, undefined],
    [{ WATCHDOG_USEC: "-5" }, undefined],
    [{ WATCHDOG_USEC: "1e6" }, undefined],
    [{ WATCHDOG_USEC: "120000000" }, 120_000],
    [{ WATCHDOG_USEC: "120000000", WATCHDOG_PID: "77" }, 120_000],
    // meant for a process that started this one
    [{ WATCHDOG_USEC: "120000000", WATCHDOG_PID: "7" }, undefined],
  ])("of %j is %s", (env, expected) => {
    expect(watchdogLimit(env, 77)).toBe(expected);
  });
});

describe("watch", () => {
  it("gives signs of life while nothing is stuck, three within the limit, until it is ended", async () => {
    const clock = new FakeClock();
    const log = collectingLog();
    const signs: number[] = [];
    let stuck: string[] = [];
    const end = new AbortController();
    const notifier = { alive: () => signs.push(clock.now()) };
    const begun = clock.now();
    const ended = watch(120_000, { notifier, clock, log, stuck: () => stuck }, end.signal);
    await clock.advance(100_000);
    expect(signs.map((each) => each - begun)).toEqual([0, 40_000, 80_000]);
    stuck = ["nft -f", "nft -c"];
    await clock.advance(100_000);
    expect(signs).toHaveLength(3);
    expect(log.messages()).toEqual(["stuck: without a change, the service manager will start the daemon anew"]);
    expect(log.entries[0]?.fields["work"]).toBe("nft -f, nft -c");
    stuck = [];
    await clock.advance(40_000);
    expect(signs).toHaveLength(4);
    expect(log.messages("info")).toEqual(["nothing is stuck any more"]);
    end.abort();
    await ended;
    await clock.advance(100_000);
    expect(signs).toHaveLength(4);
  });
});
