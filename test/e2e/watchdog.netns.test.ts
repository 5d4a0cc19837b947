/** Signs of life to systemd. */
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { paced } from "../pace.ts";
import { Daemon } from "./daemon.ts";
import { onDemand, PYTHON } from "./on-demand.ts";
import { Topology } from "./topology.ts";

const MANAGER = resolve(import.meta.dirname, "manager.py");

describe("watchdog", () => {
  let topology: Topology;
  let daemon: Daemon;

  beforeEach(async () => {
    topology = await Topology.create();
    daemon = await Daemon.prepare(topology, onDemand());
  });
  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
    await topology[Symbol.asyncDispose]();
  });

  it("is told that the daemon is alive, from when it is ready until it stops", async () => {
    const address = join(daemon.directory, "notify");
    const manager = topology.converse("gateway", PYTHON, MANAGER, address);
    expect(await manager.hear()).toBe("bound");
    // env replaces itself, so the daemon's pid is not known before
    const run = 'export WATCHDOG_PID=$$; exec "$@"';
    daemon.through = ["env", `NOTIFY_SOCKET=${address}`, `WATCHDOG_USEC=${String(paced(1_500_000))}`, "sh", "-c", run, "sh"];
    await daemon.restart();
    expect(await manager.hear()).toBe("READY=1 STATUS=0 of 1 targets active, 1 of 1 frontends running");
    const begun = performance.now();
    for (let sign = 0; sign < 4; sign++) expect(await manager.hear()).toBe("WATCHDOG=1");
    // three in each 1.5 s
    expect(performance.now() - begun).toBeGreaterThan(paced(1400));
    expect(await daemon.stop()).toBe(0);
    let last: string;
    do last = await manager.hear();
    while (last === "WATCHDOG=1");
    expect(last).toBe("STOPPING=1 STATUS=stopping");
  });
});
