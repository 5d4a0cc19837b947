/** Reloads, crashes and restarts under traffic. */
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Method } from "../../pkg/ctl/method.ts";
import { fewer, IS_SLOW, paced } from "../pace.ts";
import { keptOpen, NEVER_PAUSING, steady, visit } from "./clients.ts";
import { Daemon, until } from "./daemon.ts";
import { lasting, onDemand, quick, together } from "./on-demand.ts";
import { CLIENT, GATEWAY, Topology } from "./topology.ts";

const SERVICE = "service.py tcp 127.0.0.1 8080";

const RELOADS = fewer(100);
const KILLS = fewer(20);
const STOPS = fewer(5);

/** A busy target, one for connections of one request each, and one that takes its time to start. */
function configuration(round = 0): Record<string, unknown> {
  // each differs from the one before in what can be changed under a client's feet, and in what is nobody's concern
  const busy = onDemand({
    command: lasting("127.0.0.1:8080"),
    target: { idle_timeout: `${String(60 + round)}s` },
    frontend: { flow_timeout: `${String(300 + (round % 5))}s`, deny: `192.0.2.${String(round % 200)}` },
  });
  const brief = onDemand({ name: "brief", endpoint: "127.0.0.1:8081", listen: "0.0.0.0:8089", frontend: brisk(round) });
  const slow = quick("tcp", "127.0.0.1:8082", 1);
  const waking = onDemand({
    name: "waking",
    command: slow,
    endpoint: "127.0.0.1:8082",
    listen: "0.0.0.0:8090",
    target: { idle_timeout: "200ms" },
    frontend: { hold: { timeout: `${String(paced(20) + (round % 7))}s` } },
  });
  const other = onDemand({ name: `other-${String(round)}`, endpoint: "127.0.0.1:9000", listen: "0.0.0.0:9000" });
  return together(busy, brief, waking, other);
}

/** Another kind makes the frontend anew. */
function brisk(round: number): Record<string, unknown> {
  return { kind: round % 2 === 0 ? "static:on-demand" : "static:always" };
}

describe("restarts", () => {
  let topology: Topology;
  let daemon: Daemon;

  beforeEach(async () => {
    topology = await Topology.create();
  });
  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
    await topology[Symbol.asyncDispose]();
  });

  const get = (port = 8088): ReturnType<typeof visit> => visit(topology, "client", GATEWAY, port);

  /** wrk, connections that stay open, connections of one request each, and clients of a target that is woken again and again. */
  async function underTraffic(work: () => Promise<void>): Promise<void> {
    expect((await get()).answer).toBe(CLIENT);
    const open = await Promise.all([8088, 8088, 8088].map((port) => keptOpen(topology, GATEWAY, port)));
    const [file, ...before] = [...NEVER_PAUSING, "wrk"];
    const load = ["-t1", "-c8", `-d${String(paced(300))}s`, "--timeout", `${String(paced(10))}s`, `http://${GATEWAY}:8088/`];
    const wrk = topology.start("client", file, [...before, ...load]);
    const clients = [await steady(topology, 4, GATEWAY, 8089), await steady(topology, 2, GATEWAY, 8090)];
    const [pid] = await topology.processes("gateway", SERVICE);
    await work();
    const results = await Promise.all(clients.map((each) => each.end()));
    wrk.kill("SIGINT");
    const { stdout } = await wrk.ended;
    expect(stdout).toMatch(/[1-9]\d* requests in/);
    expect(stdout).not.toMatch(/Socket errors|Non-2xx/);
    for (const { outcomes } of results) expect(Object.keys(outcomes)).toEqual([CLIENT]);
    for (const each of open) expect(await each.ask()).toBe(CLIENT);
    expect(await topology.processes("gateway", SERVICE)).toEqual([pid]);
    // No SYN had to be sent again to an active target. Emulated, an answer by itself may take longer than that would.
    if (!IS_SLOW) expect(results[0]?.slowest).toBeLessThan(0.9);
  }

  it(
    `reloads ${String(RELOADS)} times without a failed request`,
    async () => {
      daemon = await Daemon.start(topology, configuration(), "INFO");
      await underTraffic(async () => {
        for (let round = 1; round <= RELOADS; round++) {
          await daemon.configure(configuration(round), "INFO");
          const report = (await daemon.ask(Method.reloadRequest)) as Record<string, unknown>;
          expect(report["failures"]).toBeUndefined();
          expect(report["targets"]).toMatchObject({ added: [`other-${String(round)}`] });
        }
      });
    },
    paced(120_000),
  );

  it(
    `is killed and restarted ${String(KILLS)} times without a failed request`,
    async () => {
      daemon = await Daemon.start(topology, configuration(), "INFO");
      await underTraffic(async () => {
        for (let round = 1; round <= KILLS; round++) {
          await new Promise((wake) => setTimeout(wake, 37 * (round % 9)));
          await daemon.stop("SIGKILL");
          await daemon.configure(configuration(round % 2), "INFO");
          await daemon.restart();
        }
      });
      await daemon.stop();
      expect(await topology.processes("gateway", "")).toEqual([]);
      expect(await topology.shell("gateway", "nft list ruleset")).toBe("");
    },
    paced(180_000),
  );

  it(
    "leaves everything to the next start with on_shutdown: keep",
    async () => {
      daemon = await Daemon.start(topology, { ...configuration(), on_shutdown: "keep" }, "INFO");
      await underTraffic(async () => {
        for (let round = 0; round < STOPS; round++) {
          expect(await daemon.stop()).toBe(0);
          // nobody is there: a new connection to a target that is active goes there
          expect(await get()).toMatchObject({ answer: CLIENT });
          await daemon.restart();
          expect(await daemon.targetState()).toBe("active");
        }
      });
      await daemon.configure({ ...configuration(), on_shutdown: "stop" }, "INFO");
      await daemon.ask(Method.reloadRequest);
      expect(await daemon.stop()).toBe(0);
      expect(await topology.processes("gateway", "")).toEqual([]);
      expect(await topology.shell("gateway", "nft list ruleset")).toBe("");
      expect(await readdir(daemon.directory)).not.toContain("run");
    },
    paced(120_000),
  );

  it("does so whatever on_shutdown says when it is told to by SIGUSR2, and the opposite by SIGQUIT", async () => {
    daemon = await Daemon.start(topology, onDemand({ command: lasting("127.0.0.1:8080") }), "INFO");
    expect((await get()).answer).toBe(CLIENT);
    await until("it is active", async () => (await daemon.targetState()) === "active");
    const service = await topology.processes("gateway", SERVICE);
    expect(await daemon.stop("SIGUSR2")).toBe(0);
    expect(await topology.processes("gateway", SERVICE)).toEqual(service);
    expect((await get()).answer).toBe(CLIENT);

    await daemon.configure({ ...onDemand({ command: lasting("127.0.0.1:8080") }), on_shutdown: "keep" }, "INFO");
    await daemon.restart();
    expect(await daemon.targetState()).toBe("active");
    expect(await topology.processes("gateway", SERVICE)).toEqual(service);
    expect(await daemon.stop("SIGQUIT")).toBe(0);
    expect(await topology.processes("gateway", "")).toEqual([]);
    expect(await topology.shell("gateway", "nft list ruleset")).toBe("");
    expect(await readdir(daemon.directory)).not.toContain("run");
  });

  it("stops what a killed daemon had started and nobody configures any more, and no other", async () => {
    daemon = await Daemon.start(topology, configuration(), "INFO");
    expect((await get()).answer).toBe(CLIENT);
    expect((await get(8089)).answer).toBe(CLIENT);
    await until("both are active", async () => (await daemon.targetState("brief")) === "active");
    await daemon.stop("SIGKILL");
    await daemon.configure(onDemand({ command: lasting("127.0.0.1:8080") }), "INFO");
    const damaged = join(daemon.directory, "run", "targets", "damaged");
    await topology.shell("gateway", `mkdir -p ${damaged}`);
    await writeFile(join(damaged, "target.json"), '{"name":');
    await daemon.restart();
    await until("it is stopped", async () => (await topology.processes("gateway", "quick.py tcp 127.0.0.1 8081")).length === 0);
    expect(await topology.processes("gateway", SERVICE)).toHaveLength(1);
    const told = (await daemon.log()).map(({ msg, target }) => [msg, target]);
    expect(told).toContainEqual(["stopping a service that is not configured any more", "brief"]);
    expect(told).toContainEqual(["ignoring a damaged record of a target", undefined]);
  });
});
