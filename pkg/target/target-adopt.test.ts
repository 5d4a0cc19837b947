import { describe, expect, it } from "vitest";
import { givenTargetOf, LISTEN } from "../../test/fixture/target.ts";
import { FakeClock, settle } from "../clock/fake-clock.ts";
import { gate } from "../clock/gate.ts";
import { ScriptedHandler } from "./scripted-handler.ts";

function running(): ScriptedHandler {
  const handler = new ScriptedHandler();
  handler.running = true;
  return handler;
}

describe("Target: a service that still runs", () => {
  it("takes over a service that still runs, without starting it again", async () => {
    const { handler, target, dataplane, states } = await givenTargetOf({ handler: running() });
    expect(target.state).toBe("active");
    expect(handler.calls).toEqual([]);
    expect(target.history.lastWake).toBeUndefined();
    expect(dataplane.send("tcp", LISTEN)).toBe("127.0.0.1:8080");
    await target.drain("test", true);
    expect(handler.calls).toEqual(["drain"]);
    expect(states).toEqual(["draining", "inactive"]);
  });

  it("does not wait at the start for a service that still runs but is not ready", async () => {
    const clock = new FakeClock();
    const hold = gate();
    const given = givenTargetOf({ handler: running(), wait: () => hold.promise, clock });
    await settle();
    clock.advance(500).catch(() => undefined);
    const { target } = await given;
    expect(target.state).toBe("warming");
    hold.open();
    await settle();
    expect(target.state).toBe("active");
  });

  it("starts the service anew when what was found running dies at once", async () => {
    const wait = (): Promise<void> => Promise.reject(new Error("connection refused"));
    const { handler, target } = await givenTargetOf({ handler: running(), wait });
    expect(target.state).toBe("inactive");
    expect(handler.calls).toEqual(["drain"]);
  });
});
