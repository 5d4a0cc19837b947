import { FakeClock } from "../clock/fake-clock.ts";
import { dataplaneContract } from "./contract.ts";
import { FakeDataplane } from "./fake.ts";

dataplaneContract("fake", async ({ wildcardOverlap }) => {
  const clock = new FakeClock();
  const dataplane = new FakeDataplane(clock, wildcardOverlap);
  await dataplane.start({ routeLocalnet: false, forwardIPv4: false, forwardIPv6: false });
  return {
    dataplane,
    send: (protocol, to) => Promise.resolve(dataplane.send(protocol, to)),
    traffic: () => {
      for (const name of dataplane.groups.keys()) dataplane.traffic(name);
      return Promise.resolve();
    },
    wait: (ms) => clock.advance(ms),
    close: () => dataplane.close(),
  };
});
