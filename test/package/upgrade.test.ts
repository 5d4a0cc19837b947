/**
 * The Debian package under systemd as process 1, in a machine of its own: the unit is enabled and started, an upgrade keeps services and
 * connections, a removal stops them. `make test-deb` puts the packages there.
 */
import { existsSync, statSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { stringify } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../e2e/daemon.ts";
import { paced } from "../pace.ts";
import { addClient, get, inMachine, Keeper, output, outputWithin, removeClient, run } from "../vm/machine.ts";
import * as unit from "../vm/unit.ts";

const CLIENT = "10.77.1.2";
const FILES = "build/deb-test";
const CONFIG = "/etc/proxygw.yaml";
/** Another would take a restart. */
const PLUGINS = { ctl: { socket: "/run/proxygw/ctl.sock", group: "proxygw" } };
const DATABASE = "/tmp/dpkg";
/** dpkg, perl and systemctl are run dozens of times, on a processor that may be emulated by a machine that is busy. */
const LIMIT = paced(120_000);
const DROP_INS = "/run/systemd/system/proxygw.service.d";

describe("the Debian package under systemd", { timeout: LIMIT }, () => {
  let client: Keeper | undefined;

  beforeAll(async () => {
    await inMachine();
    expect(await readFile("/proc/1/comm", "utf8")).toBe("systemd\n");
    await addClient();
    // a machine of developers may forbid what a user's has
    await output("rm", "-f", "/usr/sbin/policy-rc.d");
    await output("mkdir", "-p", unit.INSTALLED, `${DATABASE}/info`, `${DATABASE}/updates`);
    await writeFile(`${DATABASE}/status`, "");
    await writeFile(`${DATABASE}/available`, "");
    await output("mount", "--bind", unit.REPOSITORY, unit.INSTALLED);
  });
  afterAll(async () => {
    client?.end();
    await removeClient();
  });

  /**
   * With a database of its own, which has nothing else in it: that of the whole machine takes minutes to read in there. What the package
   * depends on is here all the same; Node.js may come from elsewhere than from a package.
   */
  const dpkg = (...args: string[]): Promise<string> =>
    outputWithin(LIMIT, "dpkg", `--admindir=${DATABASE}`, "--force-depends,unsafe-io,confold", ...args);
  const version = async (): Promise<string> =>
    (await output("dpkg-query", `--admindir=${DATABASE}`, "-W", "-f", "${Version}", "proxygw")).trim();

  it("starts the unit, which does nothing yet", async () => {
    await dpkg("-i", `${FILES}/first.deb`);
    expect(await unit.state()).toBe("active");
    expect((await run("systemctl", "is-enabled", unit.UNIT)).stdout).toBe("enabled");
    expect(await unit.property("StatusText")).toBe("0 of 0 targets active, 0 of 0 frontends running");
    expect((await run("getent", "group", "proxygw")).exitCode).toBe(0);
    const status = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--groups", "proxygw", "proxygwctl", "status"] as const;
    expect((await run(...status)).exitCode).toBe(0);
  });

  it("is upgraded under a connection, although on_shutdown is stop", async () => {
    await writeFile(CONFIG, stringify(unit.config({ plugins: PLUGINS, on_shutdown: "stop" })));
    await output("systemctl", "reload", unit.UNIT);
    client = new Keeper("10.77.1.1", 8088);
    expect(await client.hear()).toBe(CLIENT);
    await until("the target is active", async () => (await unit.targetState()) === "active");
    const [pid, service, first] = [await unit.mainPid(), await unit.services(), await version()];
    expect(service).toMatch(/^\d+$/);

    // what the administrator has decided since stays
    await output("systemctl", "disable", unit.UNIT);

    await dpkg("-i", `${FILES}/next.deb`);
    expect((await run("systemctl", "is-enabled", unit.UNIT)).stdout).toBe("disabled");
    expect(await version()).toBe(`${first}+1`);
    expect(await unit.mainPid()).not.toBe(pid);
    expect([await unit.state(), await unit.targetState(), await unit.services()]).toEqual(["active", "active", service]);
    expect(await client.again()).toBe(CLIENT);
    expect(await get("http://10.77.1.1:8088/")).toBe(CLIENT);
    // what the upgrade changed of the unit is gone: a stop is a stop again
    expect((await run("ls", DROP_INS)).exitCode).not.toBe(0);
    expect(await unit.property("RestartKillSignal")).toBe("15");
  });

  it("is removed with its services, although on_shutdown is keep, and purged without a trace", async () => {
    await writeFile(CONFIG, stringify(unit.config({ plugins: PLUGINS, on_shutdown: "keep" })));
    await output("systemctl", "reload", unit.UNIT);
    const files = (await output("dpkg-query", `--admindir=${DATABASE}`, "-L", "proxygw")).split("\n");
    await dpkg("-r", "proxygw");
    expect(await unit.services()).toBe("");
    expect(await output("nft", "list", "ruleset")).toBe("");
    expect((await run("ls", "/usr/bin/proxygw")).exitCode).not.toBe(0);
    expect(await readFile(CONFIG, "utf8")).toContain("on_shutdown: keep");

    await dpkg("-P", "proxygw");
    expect(files).toContain(CONFIG);
    expect(files.filter((each) => existsSync(each) && !statSync(each).isDirectory())).toEqual([]);
    expect(await output("find", "/etc", "/var/lib/systemd", "/run", "-xdev", "-iname", "*proxygw*")).toBe("");
    expect((await run("getent", "group", "proxygw")).exitCode).not.toBe(0);
  });
});
