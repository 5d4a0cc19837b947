/** The machine's date is set: forward a year, back two. Only monotonic time decides anything. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { paced } from "../pace.ts";
import { visit } from "./clients.ts";
import { Daemon, until } from "./daemon.ts";
import { onDemand, quick, together } from "./on-demand.ts";
import { CLIENT, GATEWAY, Topology } from "./topology.ts";

const DAY_MS = 86_400_000;

/**
 * Gives the daemon a Date that is off by the milliseconds in a file. The kernel has one real-time clock for all, so it can't
 * be set for a test; and nothing but Date reads it: timers of Node are monotonic (uv_hrtime), and so are the kernel's.
 */
const STEPPED_DATE = `
const { readFileSync } = require("node:fs");
const now = Date.now;
const stepped = () => now() + Number(readFileSync(process.env.DATE_OFFSET_FILE, "utf8"));
globalThis.Date = class extends Date {
  constructor(...args) { super(...(args.length === 0 ? [stepped()] : args)); }
  static now() { return stepped(); }
};
`;

describe("a stepped clock", () => {
  it("neither refuses who is held, nor stops or keeps up a target, nor ends a delay", async () => {
    await using topology = await Topology.create();
    const wakes = onDemand({
      command: quick("tcp", "127.0.0.1:8080", 1),
      target: { idle_timeout: "3s" },
      frontend: { flow_timeout: "1s", hold: { timeout: "10s" } },
    });
    const fails = onDemand({ name: "failing", endpoint: "127.0.0.1:8081", listen: "0.0.0.0:8089", command: "exit 3" });
    await using daemon = await Daemon.prepare(topology, together(wakes, fails));
    const [script, offset] = [join(daemon.directory, "date.cjs"), join(daemon.directory, "offset")];
    await writeFile(script, STEPPED_DATE);
    const step = (days: number): Promise<void> => writeFile(offset, String(days * DAY_MS));
    await step(0);
    daemon.through = ["env", `NODE_OPTIONS=--require=${script}`, `DATE_OFFSET_FILE=${offset}`];
    await daemon.restart();
    for (const days of [365, -730]) {
      const begun = performance.now();
      const held = visit(topology, "client", GATEWAY, 8088);
      await until("it is held", async () => (await daemon.frontend())?.holding === 1);
      await step(days);
      expect((await held).answer).toBe(CLIENT);
      expect(performance.now() - begun).toBeGreaterThan(900);
      await until("it is active", async () => (await daemon.targetState()) === "active");
      const active = performance.now();
      await step(-days);
      await until("it is stopped for being idle", async () => (await daemon.targetState()) === "inactive");
      // from the client's last packet on
      expect(performance.now() - active).toBeGreaterThan(2000);
      expect(performance.now() - active).toBeLessThan(paced(8000));
    }
    // a delay of 1 s after the first failure, then 2 s, 4 s, 8 s
    const refuse = async (): Promise<void> => {
      expect((await visit(topology, "client", GATEWAY, 8089)).outcome).toBe("refused");
    };
    await until("the delay is some seconds long", async () => {
      await refuse();
      return (await daemon.times("warming", "failing")) === 3;
    });
    for (const days of [365, -730]) {
      await step(days);
      await refuse();
    }
    expect(await daemon.times("warming", "failing")).toBe(3);
    await until("the delay is over", async () => {
      await refuse();
      return (await daemon.times("warming", "failing")) === 4;
    });
    const years = new Set((await daemon.log()).map(({ time }) => new Date(String(time)).getUTCFullYear()));
    expect(Math.max(...years) - Math.min(...years)).toBeGreaterThanOrEqual(3);
    expect(await daemon.stop()).toBe(0);
  });
});
