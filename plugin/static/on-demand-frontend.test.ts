import { expect, it } from "vitest";
import { FakeClock } from "../../pkg/clock/fake-clock.ts";
import { collectingLog } from "../../pkg/log/collecting-log.ts";
import { FakeFrontendTarget } from "./fake-frontend-target.ts";
import { ON_DEMAND_KIND } from "./on-demand-frontend.ts";

it("static:on-demand asks for its target at the first packet of a flow, and not before", async () => {
  const target = new FakeFrontendTarget();
  const context = {
    name: "public",
    protocol: "tcp",
    listen: [],
    options: {} as never,
    log: collectingLog(),
    clock: new FakeClock(),
    target,
  } as const;
  const frontend = ON_DEMAND_KIND.create(context);
  await frontend.start(new AbortController().signal);
  expect(target.reasons).toEqual([]);
  frontend.held?.("192.0.2.1:5000");
  expect(target.reasons).toEqual(["first packet from 192.0.2.1:5000"]);
  expect(target.sources).toEqual(["192.0.2.1:5000"]);
  expect(target.wants).toBe(0);
  expect(ON_DEMAND_KIND.whenCold).toBe("hold");
  await frontend.stop();
  await frontend.close();
});
