/** The control socket is removed while the daemon runs. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Daemon, until } from "./daemon.ts";
import { onDemand } from "./on-demand.ts";
import { Topology } from "./topology.ts";

it("a control socket that was removed is back within seconds", async () => {
  await using topology = await Topology.create();
  await using daemon = await Daemon.start(topology, onDemand());
  await rm(join(daemon.directory, "ctl.sock"));
  expect((await daemon.control("status")).exitCode).toBe(1);
  await until("it answers again", async () => (await daemon.control("status")).exitCode === 0);
  expect(await daemon.stop()).toBe(0);
});
