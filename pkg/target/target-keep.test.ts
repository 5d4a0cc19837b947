import { expect, it } from "vitest";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import { FakeDataplane } from "../dataplane/fake.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { parseAddrPort } from "../value/addr-port.ts";
import { openTarget } from "./open-target.ts";
import { ScriptedHandler } from "./scripted-handler.ts";

const LISTEN = parseAddrPort("192.0.2.1:80");

it.each([
  ["keep", 1],
  ["stop", 0],
] as const)(
  "at an end with on_shutdown: %s, of the clients that are held for a start under way %i stay held",
  async (how, held) => {
    const clock = new FakeClock();
    const dataplane = new FakeDataplane(clock, collectingLog());
    await dataplane.start({ routeLocalnet: false, forwardIPv4: false, forwardIPv6: false, hold: true });
    const handler = new ScriptedHandler();
    // never ready
    handler.warmGate = new Promise(() => undefined);
    await dataplane.commit();
    const target = await openTarget({ dataplane, clock, log: collectingLog(), createHandler: () => handler });
    const mapping = target.group.createMapping({
      name: "front",
      protocol: "tcp",
      routes: [{ listen: LISTEN, endpoint: parseAddrPort("127.0.0.1:8080") }],
      flowTimeoutMs: 300_000,
      masquerade: "auto",
      whenCold: "hold",
      hold: { timeoutMs: 30_000, maxFlows: 1024 },
      gates: { allow: [], deny: [], ignore: [] },
    });
    await mapping.enable();
    const warmed = target.warm({ reason: "test" }).catch(() => undefined);
    void dataplane.connect("tcp", LISTEN);
    await settle();
    expect(target.group.held).toBe(1);
    const closed = target.close(how).catch(() => undefined);
    await settle();
    // dropped with the daemon, it is sent again, and served by the next one
    expect(mapping.held).toBe(held);
    await Promise.all([warmed, closed]);
  },
);
