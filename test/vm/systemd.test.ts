/** The unit as it is shipped, under systemd as process 1. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { until } from "../e2e/daemon.ts";
import { addClient, get, inMachine, Keeper, output, removeClient, run } from "./machine.ts";
import * as unit from "./unit.ts";

const CLIENT = "10.77.1.2";
const URL = "http://10.77.1.1:8088/";

describe("the systemd unit", () => {
  let client: Keeper | undefined;

  beforeAll(async () => {
    await inMachine();
    expect(await readFile("/proc/1/comm", "utf8")).toBe("systemd\n");
    await addClient();
  });
  beforeEach(async () => {
    await unit.install();
  });
  afterEach(async () => {
    client?.end();
    client = undefined;
    await unit.remove();
  });
  afterAll(removeClient);

  /** Starts it, and a connection that is to live on; gives the daemon's pid and the service's. */
  async function withConnection(whole = unit.config()): Promise<{ pid: number; service: string }> {
    const pid = await unit.start(whole);
    client = new Keeper("10.77.1.1", 8088);
    expect(await client.hear()).toBe(CLIENT);
    await until("the target is active", async () => (await unit.targetState()) === "active");
    const service = await unit.services();
    expect(service).toMatch(/^\d+$/);
    return { pid, service };
  }

  async function startedAgain(): Promise<void> {
    await until("systemd has started it again", async () => {
      return (await unit.property("NRestarts")) === "1" && (await unit.state()) === "active";
    });
  }

  it("is started when clients can connect, says how it is, and leaves nothing when it is stopped", async () => {
    const before = await output("nft", "list", "ruleset");
    await unit.start();
    expect(await unit.state()).toBe("active");
    expect(await unit.property("StatusText")).toBe("0 of 1 targets active, 1 of 1 frontends running");
    expect(await get(URL)).toBe(CLIENT);
    await until("the status follows", async () => (await unit.property("StatusText")).startsWith("1 of 1 targets active"));
    expect(await output("systemctl", "status", "--no-pager", unit.UNIT)).toContain("Active: active (running)");
    expect(await unit.journal()).toMatch(/msg="?ready"?/);

    await output("systemctl", "stop", unit.UNIT);
    expect([await unit.state(), await unit.property("Result"), await unit.property("ExecMainStatus")]).toEqual([
      "inactive",
      "success",
      "0",
    ]);
    expect(await unit.services()).toBe("");
    expect(await output("nft", "list", "ruleset")).toBe(before);
    expect(await unit.property("TasksCurrent")).toBe("[not set]");
  });

  it("comes back when the daemon is killed; the service and its connections never notice", async () => {
    const { pid, service } = await withConnection();
    process.kill(pid, "SIGKILL");
    expect(await client?.again()).toBe(CLIENT);
    await startedAgain();
    expect(await unit.mainPid()).not.toBe(pid);
    expect([await unit.targetState(), await unit.services()]).toEqual(["active", service]);
    expect(await client?.again()).toBe(CLIENT);
    expect(await get(URL)).toBe(CLIENT);

    // it is stopped by the daemon that took it over
    await output("systemctl", "stop", unit.UNIT);
    expect([await unit.services(), await output("nft", "list", "ruleset")]).toEqual(["", ""]);
  });

  it("is started anew by the watchdog when it stands still, with the same effect", async () => {
    const directory = `/etc/systemd/system/${unit.UNIT}.d`;
    await mkdir(directory);
    // what is shipped is as long as a test may be
    expect(await readFile(`/etc/systemd/system/${unit.UNIT}`, "utf8")).toContain("WatchdogSec=2min");
    await writeFile(`${directory}/test.conf`, "[Service]\nWatchdogSec=20s\n");
    await output("systemctl", "daemon-reload");
    const { pid, service } = await withConnection();
    process.kill(pid, "SIGSTOP");
    await startedAgain();
    expect(await unit.mainPid()).not.toBe(pid);
    expect([await unit.targetState(), await unit.services()]).toEqual(["active", service]);
    expect(await client?.again()).toBe(CLIENT);
  });

  it("takes over a changed configuration on systemctl reload, and keeps the present one when it is wrong", async () => {
    const { pid } = await withConnection();
    await unit.configure(unit.config({ frontends: [unit.frontend("public-files", 8088), unit.frontend("further", 8089)] }));
    await output("systemctl", "reload", unit.UNIT);
    expect(await get("http://10.77.1.1:8089/")).toBe(CLIENT);
    await until("systemd knows", async () => (await unit.property("StatusText")).endsWith("2 of 2 frontends running"));

    await unit.configure({ version: "v2" });
    expect((await run("systemctl", "reload", unit.UNIT)).exitCode).not.toBe(0);
    expect(await unit.state()).toBe("active");
    expect(await unit.mainPid()).toBe(pid);
    expect(await client?.again()).toBe(CLIENT);
  });

  it("can be restarted under a connection when services are to be kept", async () => {
    const { pid, service } = await withConnection(unit.config({ on_shutdown: "keep" }));
    await output("systemctl", "restart", unit.UNIT);
    expect(await unit.mainPid()).not.toBe(pid);
    expect([await unit.state(), await unit.targetState(), await unit.services()]).toEqual(["active", "active", service]);
    expect(await client?.again()).toBe(CLIENT);
    await output("systemctl", "stop", unit.UNIT);
    expect(await unit.services()).toBe(service);
    expect(await client?.again()).toBe(CLIENT);

    // and once more, by a daemon that is to stop it
    await unit.start();
    expect([await unit.targetState(), await unit.services()]).toEqual(["active", service]);
    await output("systemctl", "stop", unit.UNIT);
    expect([await unit.services(), await output("nft", "list", "ruleset")]).toEqual(["", ""]);
  });

  it("is not started again and again with a wrong configuration", async () => {
    await unit.configure({ version: "v2" });
    expect((await run("systemctl", "start", unit.UNIT)).exitCode).not.toBe(0);
    expect(await unit.state()).toBe("failed");
    expect([await unit.property("ExecMainStatus"), await unit.property("NRestarts")]).toEqual(["2", "0"]);
  });
});
