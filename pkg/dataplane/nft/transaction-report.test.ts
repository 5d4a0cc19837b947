import { describe, expect, it } from "vitest";
import { FakeClock } from "../../clock/fake-clock.ts";
import { TransactionReport } from "./transaction-report.ts";

function setUp() {
  const clock = new FakeClock();
  let own = 0;
  const report = new TransactionReport(clock, {
    own: (transaction) => {
      own++;
      return transaction();
    },
  });
  const told: [number, unknown][] = [];
  report.listener = (tookMs, error) => told.push([tookMs, error]);
  return { clock, report, told, counted: () => own };
}

describe("TransactionReport", () => {
  it("tells how long each took, and counts it as an own one", async () => {
    const { clock, report, told, counted } = setUp();
    const result = report.own(async () => {
      await clock.sleep(12);
      return "done";
    });
    await clock.advance(12);
    expect([await result, told, counted()]).toEqual(["done", [[12, undefined]], 1]);
  });

  it("tells of an attempt only if it succeeded", async () => {
    const { report, told, counted } = setUp();
    expect(await report.attempt(() => undefined)).toBe(true);
    const fails = (): never => {
      throw new Error("refused");
    };
    expect(await report.attempt(fails)).toBe(false);
    expect([told, counted()]).toEqual([[[0, undefined]], 2]);
  });

  it("tells why one failed, and lets its caller know", async () => {
    const { report, told } = setUp();
    const failure = new Error("no memory");
    await expect(report.own(() => Promise.reject(failure))).rejects.toBe(failure);
    expect(told).toEqual([[0, failure]]);
  });
});
