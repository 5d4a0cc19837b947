/** A daemon that has no file descriptors left: it can start neither a command nor a tool until some are closed. */
import { connect, type Socket } from "node:net";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { visit } from "./clients.ts";
import { Daemon, until } from "./daemon.ts";
import { KEEP, lasting, onDemand, PYTHON, quick, together } from "./on-demand.ts";
import { CLIENT, GATEWAY, Topology } from "./topology.ts";

/** Enough for it to start. */
const LIMIT = 60;

describe("a daemon without file descriptors", () => {
  let topology: Topology;
  let daemon: Daemon;
  let sockets: Socket[];

  beforeEach(async () => {
    topology = await Topology.create();
    sockets = [];
    const warm = onDemand({
      name: "warm",
      endpoint: "127.0.0.1:8081",
      listen: "0.0.0.0:8089",
      command: lasting("127.0.0.1:8081"),
    });
    const dying = onDemand({
      name: "dying",
      endpoint: "127.0.0.1:8082",
      listen: "0.0.0.0:8090",
      command: quick("tcp", "127.0.0.1:8082"),
    });
    daemon = await Daemon.prepare(
      topology,
      together(onDemand({ command: `echo hello; ${quick("tcp", "127.0.0.1:8080")}` }), warm, dying),
    );
    daemon.through = ["prlimit", `--nofile=${String(LIMIT)}`];
    await daemon.restart();
  });
  afterEach(async () => {
    await release();
    await daemon[Symbol.asyncDispose]();
    await topology[Symbol.asyncDispose]();
  });

  async function descriptors(): Promise<number> {
    return (await readdir(`/proc/${String(daemon.pid)}/fd`)).length;
  }

  /** Connections to the control socket take them all. */
  async function exhaust(): Promise<void> {
    for (let count = 0; count < LIMIT; count++) {
      const socket = connect(join(daemon.directory, "ctl.sock"));
      socket.on("error", () => undefined);
      sockets.push(socket);
    }
    await until("none is left", async () => (await descriptors()) >= LIMIT - 1);
  }

  async function release(): Promise<void> {
    for (const socket of sockets.splice(0)) socket.destroy();
    await until("some are left", async () => (await descriptors().catch(() => 0)) < LIMIT / 2);
  }

  it("goes on, leaves active targets alone, learns of deaths, and recovers", async () => {
    const keeper = topology.converse("client", PYTHON, KEEP, GATEWAY, "8089");
    expect(await keeper.hear()).toBe(CLIENT);
    expect((await visit(topology, "client", GATEWAY, 8090)).answer).toBe(CLIENT);
    for (const name of ["warm", "dying"]) {
      await until("it is active", async () => (await daemon.targetState(name)) === "active");
    }
    const { pid } = daemon;
    await exhaust();
    const [service] = await topology.processes("gateway", "quick.py tcp 127.0.0.1 8082");
    process.kill(service ?? 0, "SIGKILL");
    const { outcome } = await visit(topology, "client", GATEWAY, 8088);
    expect(outcome).toBe("refused");
    keeper.say("still there?");
    expect(await keeper.hear()).toBe(CLIENT);
    await until("it says why", async () => (await daemon.log()).some(({ error }) => String(error).includes("EMFILE")));
    await release();
    for (const port of [8088, 8090]) {
      await until("clients are served", async () => (await visit(topology, "client", GATEWAY, port)).outcome === "served");
    }
    keeper.say("and now?");
    expect(await keeper.hear()).toBe(CLIENT);
    expect(await daemon.times("inactive", "warm")).toBe(0);
    expect(daemon.pid).toBe(pid);
    expect(await daemon.stop()).toBe(0);
    expect(await topology.processes("gateway", "")).toEqual([]);
  });

  it("does not take a command that it found again for dead", async () => {
    const served = async (): Promise<void> => {
      expect((await visit(topology, "client", GATEWAY, 8088)).answer).toBe(CLIENT);
    };
    await served();
    const [service] = await topology.processes("gateway", "quick.py tcp 127.0.0.1 8080");
    await daemon.stop("SIGKILL");
    await daemon.restart();
    expect(await daemon.targetState()).toBe("active");
    await exhaust();
    await served();
    // looked at ten times a second
    await new Promise((wake) => setTimeout(wake, 500));
    await release();
    expect(await daemon.times("inactive")).toBe(0);
    expect(await topology.processes("gateway", "quick.py tcp 127.0.0.1 8080")).toEqual([service]);
    await daemon.drain();
    expect(await topology.processes("gateway", "quick.py tcp 127.0.0.1 8080")).toEqual([]);
    await served();
  });
});
