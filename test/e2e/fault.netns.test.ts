/** Services that fail, and a daemon that dies: clients learn of it at once, and nothing has to be restarted by hand. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { IS_SLOW, paced } from "../pace.ts";
import { datagrams, visit } from "./clients.ts";
import { Daemon, until } from "./daemon.ts";
import { KEEP, lasting, onDemand, onDemandElsewhere, PYTHON, quick, serve, together } from "./on-demand.ts";
import { CLIENT, GATEWAY, Topology } from "./topology.ts";

describe("a service that fails", () => {
  let directory: string;
  /** While this file is missing, the services fail. */
  let cure: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "proxygw-fault-"));
    cure = join(directory, "cure");
  });
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  /** Refused during the delay after the first failure, without a second try; served once what was wrong is cured. */
  async function recovers(topology: Topology, daemon: Daemon): Promise<void> {
    // emulated, a client may take longer to start than the delay is (1 s)
    if (!IS_SLOW) {
      const early = await visit(topology, "client", GATEWAY, 8088);
      expect(early.outcome).toBe("refused");
      expect(early.ms).toBeLessThan(700);
      expect(await daemon.times("warming")).toBe(1);
    }
    await writeFile(cure, "");
    await until("a client is served", async () => (await visit(topology, "client", GATEWAY, 8088)).outcome === "served");
    expect(await daemon.times("warming")).toBe(2);
    await until("it is active", async () => (await daemon.targetState()) === "active");
  }

  it.each([
    ["stops when asked to", ""],
    ["must be killed", "trap '' INT; "],
  ])("never gets ready, and %s: held clients are refused when its time is up", async (_how, trap) => {
    await using topology = await Topology.create();
    // the service is to be ready by then once it is cured
    const limit = paced(700);
    const command = `[ -e ${cure} ] && ${quick("tcp", "127.0.0.1:8080")}; ${trap}sleep 60`;
    await using daemon = await Daemon.start(
      topology,
      onDemand({ command, target: { ready: { probe: "tcp", timeout: `${String(limit)}ms` } } }),
    );
    const visits = await Promise.all(
      ["client", "client", "gateway"].map((host) => visit(topology, host as "client", GATEWAY, 8088)),
    );
    for (const { outcome, ms } of visits) {
      expect(outcome).toBe("refused");
      // the last try may come a pause before the time is up
      expect(ms).toBeGreaterThan(400);
      expect(ms).toBeLessThan(paced(2000));
    }
    expect((await daemon.target())?.last_error).toMatch(
      new RegExp(`^not ready within ${String(limit)} ms \\(tcp probe\\): .*ECONNREFUSED`),
    );
    await recovers(topology, daemon);
  });

  it("dies at once: held clients are refused at once, and its last words are in last_error", async () => {
    await using topology = await Topology.create();
    const lines = "for line in $(seq 50); do echo checked block $line; done; echo the disk is missing >&2; exit 3";
    const tcp = onDemand({ command: `[ -e ${cure} ] && ${quick("tcp", "127.0.0.1:8080")}; ${lines}` });
    const udp = onDemand({ name: "udp", mode: "udp", endpoint: "127.0.0.1:5300", listen: "0.0.0.0:5353", command: lines });
    await using daemon = await Daemon.start(topology, together(tcp, udp));
    const { outcome, ms } = await visit(topology, "client", GATEWAY, 8088);
    expect(outcome).toBe("refused");
    expect(ms).toBeLessThan(paced(900));
    const error = (await daemon.target())?.last_error;
    expect(error).toContain("exit code 3");
    expect(error).toContain("checked block 50 | the disk is missing");
    await recovers(topology, daemon);
    expect(await datagrams(topology, "client", GATEWAY, 5353, 1)).toEqual(["ConnectionRefusedError"]);
  });

  it("dies later: its connections end at once, clients are refused during the delay, the next one is served", async () => {
    await using topology = await Topology.create();
    await using daemon = await Daemon.start(topology, onDemand({ command: lasting("127.0.0.1:8080") }));
    const client = topology.converse("client", PYTHON, KEEP, GATEWAY, "8088");
    expect(await client.hear()).toBe(CLIENT);
    const [pid] = await topology.processes("gateway", "service.py");
    process.kill(pid ?? 0, "SIGKILL");
    await until("its death is noticed", async () => (await daemon.targetState()) === "inactive");
    client.say("again");
    expect(await client.hear()).toMatch(/^(RemoteDisconnected|ConnectionResetError|BrokenPipeError)$/);
    expect((await daemon.target())?.last_error).toContain("SIGKILL");
    await recovers(topology, daemon);
  });

  it.each(["by someone else", "by the daemon, after stop_timeout"])(
    "is killed while draining, %s: a client that is held meanwhile is served by the next one",
    async (who) => {
      await using topology = await Topology.create();
      const byDaemon = who.startsWith("by the daemon");
      // a signal that it doesn't notice
      const options = {
        command: quick("tcp", "127.0.0.1:8080"),
        stop_signal: "SIGWINCH",
        stop_timeout: `${String(paced(byDaemon ? 1 : 4))}s`,
      };
      await using daemon = await Daemon.start(topology, onDemand({ target: { options } }));
      expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
      const [pid] = await topology.processes("gateway", "quick.py");
      const drained = daemon.drain();
      await until("it is draining", async () => (await daemon.targetState()) === "draining");
      const held = Promise.all([visit(topology, "client", GATEWAY, 8088), visit(topology, "gateway", "127.0.0.1", 8088)]);
      await until("two clients are held", async () => (await daemon.frontend())?.holding === 2);
      if (!byDaemon) process.kill(pid ?? 0, "SIGKILL");
      const killed = performance.now();
      expect((await held).map(({ answer }) => answer)).toEqual([CLIENT, "127.0.0.1"]);
      expect(performance.now() - killed).toBeLessThan(paced(2500));
      await drained;
      expect(await daemon.times("warming")).toBe(2);
      expect(await topology.processes("gateway", "quick.py")).not.toContain(pid);
    },
  );
});

describe("a daemon that is killed while it holds clients", () => {
  it("has their retransmissions served by its successor", async () => {
    await using topology = await Topology.create();
    const patient = { ready: { probe: "tcp", timeout: "1m" } };
    await using daemon = await Daemon.start(topology, onDemandElsewhere(["127.0.0.1:8080"], { target: patient }));
    const clients = Promise.all([visit(topology, "client", GATEWAY, 8088), visit(topology, "gateway", "127.0.0.1", 8088)]);
    await until("two clients are held", async () => (await daemon.frontend())?.holding === 2);
    await daemon.stop("SIGKILL");
    await daemon.restart();
    expect((await daemon.frontend())?.held ?? 0).toBeLessThanOrEqual(2);
    await serve(topology, "gateway", "127.0.0.1:8080");
    const visits = await clients;
    expect(visits.map(({ answer }) => answer)).toEqual([CLIENT, "127.0.0.1"]);
    await until("it is active", async () => (await daemon.targetState()) === "active");
  });
});
