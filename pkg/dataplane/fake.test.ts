import { FakeClock } from "../clock/fake-clock.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { dataplaneContract } from "./contract.ts";
import { FakeDataplane } from "./fake.ts";

dataplaneContract("fake", async ({ wildcardOverlap, committed = true }) => {
  const clock = new FakeClock();
  const dataplane = new FakeDataplane(clock, collectingLog(), wildcardOverlap);
  await dataplane.start({ routeLocalnet: false, forwardIPv4: false, forwardIPv6: false, hold: true });
  if (committed) await dataplane.commit();
  return {
    dataplane,
    send: (protocol, to, from) => dataplane.connect(protocol, to, from),
    traffic: () => {
      for (const { name } of dataplane.groups) dataplane.use(name);
      return Promise.resolve();
    },
    wait: (ms) => clock.advance(ms),
    close: () => dataplane.close(),
  };
});
