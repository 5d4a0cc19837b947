/** What outlives the daemon, and what others do to it. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { paced } from "../pace.ts";
import { Daemon, until } from "./daemon.ts";
import { KEEP, lasting, onDemand, PYTHON } from "./on-demand.ts";
import { CLIENT, GATEWAY, Topology } from "./topology.ts";

const SERVICE = "quick.py tcp 127.0.0.1 8080";

describe("survival", () => {
  let topology: Topology;
  let daemon: Daemon;

  beforeEach(async () => {
    topology = await Topology.create();
    daemon = await Daemon.start(topology, onDemand());
  });
  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
    await topology[Symbol.asyncDispose]();
  });

  async function get(): Promise<string> {
    return (await topology.run("client", "curl", "-s", "--max-time", String(paced(8)), `http://${GATEWAY}:8088/`)).stdout;
  }

  async function active(): Promise<void> {
    expect(await get()).toBe(CLIENT);
    await until("the target is active", async () => (await daemon.targetState()) === "active");
  }

  it("takes over a command that a killed daemon had started, and stops it in the end", async () => {
    await active();
    const [pid] = await topology.processes("gateway", SERVICE);
    await daemon.stop("SIGKILL");
    expect(await get()).toBe(CLIENT);
    await daemon.restart();
    expect(await daemon.targetState()).toBe("active");
    expect(await get()).toBe(CLIENT);
    expect(await topology.processes("gateway", SERVICE)).toEqual([pid]);
    expect(await daemon.stop()).toBe(0);
    expect(await topology.processes("gateway", "")).toEqual([]);
    expect(await topology.shell("gateway", "nft list ruleset")).toBe("");
  });

  it("keeps the flows of a target that it took over", async () => {
    await daemon.stop();
    await daemon.configure(onDemand({ command: lasting("127.0.0.1:8080") }));
    await daemon.restart();
    const client = topology.converse("client", PYTHON, KEEP, GATEWAY, "8088");
    const ask = (): Promise<string> => {
      client.say("ping");
      return client.hear();
    };
    const answer = await client.hear();
    await until("the target is active", async () => (await daemon.targetState()) === "active");
    await daemon.stop("SIGKILL");
    expect(await ask()).toBe(answer);
    await daemon.restart();
    expect(await daemon.targetState()).toBe("active");
    expect(await ask()).toBe(answer);
  });

  it("starts a command once, whenever it is killed", async () => {
    for (let round = 0; round < 5; round++) {
      const client = get();
      await new Promise((wake) => setTimeout(wake, 20 * round));
      await daemon.stop("SIGKILL");
      await daemon.restart();
      // its packet was lost with the daemon, or held by its successor: it comes again
      expect(await client).toBe(CLIENT);
      await until("the target is active", async () => (await daemon.targetState()) === "active");
      expect(await topology.processes("gateway", SERVICE)).toHaveLength(1);
      await daemon.drain();
    }
  });

  it("stops the command of a former configuration instead of taking it over", async () => {
    await active();
    const [pid] = await topology.processes("gateway", SERVICE);
    await daemon.stop("SIGKILL");
    const changed = onDemand();
    const [target] = changed.targets;
    await daemon.configure({
      ...changed,
      targets: [{ ...target, options: { command: `true; ${(target?.["options"] as { command: string }).command}` } }],
    });
    await daemon.restart();
    expect(await daemon.targetState()).toBe("inactive");
    expect(await topology.processes("gateway", SERVICE)).toEqual([]);
    await active();
    expect(await topology.processes("gateway", SERVICE)).not.toContain(pid);
  });

  it("makes its rules again after somebody flushed them all, warm or cold", async () => {
    await active();
    await topology.shell("gateway", "nft flush ruleset");
    await until("a warm target is reached again", async () => (await get()) === CLIENT);
    await daemon.drain();
    await topology.shell("gateway", "nft flush ruleset");
    await until("a cold target is woken again", async () => (await get()) === CLIENT);
    expect((await daemon.log()).filter(({ msg }) => String(msg).includes("made it again"))).toHaveLength(2);
    expect(await daemon.stop()).toBe(0);
    expect(await topology.shell("gateway", "nft list ruleset")).toBe("");
  });
});
