/** nft that fails, hangs, or is killed: before the kernel had their transaction, or after. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { paced } from "../pace.ts";
import { visit } from "./clients.ts";
import { Daemon, until } from "./daemon.ts";
import { FaultyTools } from "./faulty-tools.ts";
import { lasting, onDemand, together } from "./on-demand.ts";
import { CLIENT, GATEWAY, Topology } from "./topology.ts";

/** So many that opening and shutting them takes nft, not just a message to the kernel. */
const MANY = ["0.0.0.0:8088", ...Array.from({ length: 100 }, (_, at) => `127.0.1.${String(at + 1)}:9001`)];
/** Lets the clients of "backend" through, or holds them. */
const OPENING = "delete element .* hold.* 8088 ";
const SHUTTING = "add element .* hold.* 8088 ";

describe("faults of tools", () => {
  let topology: Topology;
  let daemon: Daemon;
  let tools: FaultyTools;

  beforeEach(async () => {
    topology = await Topology.create();
    const other = onDemand({
      name: "other",
      listen: "0.0.0.0:8089",
      endpoint: "127.0.0.1:8081",
      command: lasting("127.0.0.1:8081"),
    });
    daemon = await Daemon.prepare(topology, together(onDemand({ frontend: { listen: MANY } }), other));
    tools = await FaultyTools.create(daemon.directory);
    daemon.through = tools.wrapper;
    await daemon.restart();
  });
  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
    await topology[Symbol.asyncDispose]();
  });

  async function served(port = 8088): Promise<void> {
    expect((await visit(topology, "client", GATEWAY, port)).answer).toBe(CLIENT);
  }

  async function isHeld(port: number): Promise<boolean> {
    return (await topology.shell("gateway", "nft list table inet proxygw | sed -n '/set hold/,/}/p'")).includes(
      ` ${String(port)}`,
    );
  }

  describe.each(["kill before", "kill after"] as const)("nft, %s the kernel has it", (fate) => {
    it("once: nobody notices", async () => {
      await tools.fault("nft", fate, OPENING, 1);
      await served();
      await until("it is active", async () => (await daemon.targetState()) === "active");
      expect(await isHeld(8088)).toBe(false);
      await tools.fault("nft", fate, SHUTTING, 1);
      await daemon.drain();
      expect(await isHeld(8088)).toBe(true);
      await served();
      expect((await daemon.target())?.last_error).toBeUndefined();
    });
  });

  it("nft, killed again and again before the kernel has it: the start fails, and nobody is sent to where nobody is", async () => {
    await served(8089);
    const cure = await tools.fault("nft", "kill before", OPENING);
    const { outcome } = await visit(topology, "client", GATEWAY, 8088);
    // it may have been let go before, to a service that was stopped again
    expect(outcome).not.toBe("timed out");
    await until("it failed", async () => (await daemon.target())?.last_error !== undefined);
    expect((await daemon.target())?.last_error).toContain("it was killed");
    await cure();
    await until("the kernel holds its clients", () => isHeld(8088));
    await until("clients are served", async () => (await visit(topology, "client", GATEWAY, 8088)).outcome === "served");
    await served(8089);
    expect((await daemon.log()).filter(({ msg }) => String(msg).includes("made it again"))).toEqual([]);
  });

  it("nft, killed again and again after the kernel has it: that is found out, and nobody notices", async () => {
    await tools.fault("nft", "kill after", OPENING);
    await served();
    await until("it is active", async () => (await daemon.targetState()) === "active");
    expect(await isHeld(8088)).toBe(false);
    expect((await daemon.target())?.last_error).toBeUndefined();
    expect((await daemon.log()).filter(({ msg }) => String(msg).includes("made it again"))).toEqual([]);
  });

  it.each(["kill before", "kill after"] as const)(
    "nft, %s the kernel has a frontend with gates: it has that once",
    async (fate) => {
      await daemon.stop();
      const gates = {
        deny: ["198.51.100.0/24", "203.0.113.7"],
        ignore: ["192.0.2.0/24"],
        wake_limit: "5/1m",
        flow_timeout: "77s",
      };
      await daemon.configure(onDemand({ frontend: gates }));
      await tools.fault("nft", fate, "add element .* deny", 1);
      await daemon.restart();
      const list = (): Promise<string> => topology.shell("gateway", "nft -s list table inet proxygw");
      const rules = await list();
      expect(rules.match(/ct timeout set "flow_77s_tcp"/g)).toHaveLength(1);
      expect(rules.match(/limit rate over 5\/minute/g)).toHaveLength(2);
      await tools.fault("nft", fate, "delete element .* deny", 1);
      expect((await daemon.control("stop", "front")).exitCode).toBe(0);
      expect(await list()).not.toMatch(/8088|203\.0\.113\.7/);
      await tools.fault("nft", fate, "add element .* deny", 1);
      expect((await daemon.control("start", "front")).exitCode).toBe(0);
      expect(await list()).toBe(rules);
      await served();
    },
  );

  it("nft that fails fails one start, and the next one is served", async () => {
    await tools.fault("nft", "fail", OPENING, 1);
    await visit(topology, "client", GATEWAY, 8088);
    await until("it failed", async () => (await daemon.target())?.last_error?.includes("Cannot allocate memory") === true);
    await until("clients are served", async () => (await visit(topology, "client", GATEWAY, 8088)).outcome === "served");
  });

  it("nft that fails keeps nobody from being woken and drained who has few addresses", async () => {
    const cure = await tools.fault("nft", "fail", ".");
    await served(8089);
    await until("it is active", async () => (await daemon.targetState("other")) === "active");
    expect(await isHeld(8089)).toBe(false);
    expect((await daemon.control("drain", "other", "--force")).exitCode).toBe(0);
    expect(await isHeld(8089)).toBe(true);
    await served(8089);
    expect((await daemon.log()).filter(({ level }) => level === "ERROR")).toEqual([]);
    await cure();
  });

  it("nft that hangs once is killed after ten seconds, and run again: the client waits, others do not", async () => {
    await served(8089);
    await tools.fault("nft", "hang", OPENING, 1);
    const begun = performance.now();
    const client = topology.run("client", "curl", "-s", "--max-time", String(paced(25)), `http://${GATEWAY}:8088/`);
    while (performance.now() - begun < 8000) await served(8089);
    expect((await client).stdout).toBe(CLIENT);
    await until("it is active", async () => (await daemon.targetState()) === "active");
    expect(performance.now() - begun).toBeGreaterThan(9000);
  });

  it("nft that fails while the daemon stops: it ends, says so, and its successor is none the worse", async () => {
    await served();
    const cure = await tools.fault("nft", "fail", "delete (table|element)");
    expect(await daemon.stop()).toBe(1);
    expect(await topology.processes("gateway", "quick.py")).toEqual([]);
    await cure();
    await daemon.restart();
    await served();
    expect(await daemon.stop()).toBe(0);
    expect(await topology.shell("gateway", "nft list ruleset")).toBe("");
  });
});
