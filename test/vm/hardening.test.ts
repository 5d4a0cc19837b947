/** The drop-ins that take rights from the daemon: they are in force, and it does its work all the same. */
import { readFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { until } from "../e2e/daemon.ts";
import { addClient, get, inMachine, output, removeClient, run } from "./machine.ts";
import * as unit from "./unit.ts";

const CLIENT = "10.77.1.2";

/** By their numbers: capabilities(7), linux/capability.h. */
const CAPABILITIES = { CHOWN: 0, DAC_READ_SEARCH: 2, KILL: 5, SETGID: 6, SETUID: 7, NET_BIND_SERVICE: 10, NET_ADMIN: 12 };

function mask(...names: (keyof typeof CAPABILITIES)[]): string {
  const bits = names.reduce((all, name) => all | (1n << BigInt(CAPABILITIES[name])), 0n);
  return bits.toString(16).padStart(16, "0");
}

/** What the kernel says of a process. */
async function rights(pid: number): Promise<Record<string, string | undefined>> {
  const status = await readFile(`/proc/${String(pid)}/status`, "utf8");
  const field = (name: string): string | undefined => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1];
  return { uid: field("Uid"), effective: field("CapEff"), bounding: field("CapBnd"), noNewPrivs: field("NoNewPrivs") };
}

describe("the systemd unit", () => {
  beforeAll(async () => {
    await inMachine();
    await addClient();
    // as unprivileged.conf says
    await run("groupadd", "--force", "--system", "proxygw");
    await run("useradd", "--system", "--gid", "proxygw", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", "proxygw");
  });
  afterEach(unit.remove);
  afterAll(removeClient);

  it.each([
    {
      dropIn: "hardened.conf",
      user: "root",
      capabilities: mask("NET_ADMIN", "SETUID", "SETGID", "KILL", "CHOWN", "NET_BIND_SERVICE", "DAC_READ_SEARCH"),
      options: { user: "nobody" },
      serviceUser: "nobody",
    },
    {
      dropIn: "unprivileged.conf",
      user: "proxygw",
      capabilities: mask("NET_ADMIN", "NET_BIND_SERVICE"),
      options: {},
      serviceUser: "proxygw",
    },
  ])(
    "with $dropIn wakes, is reloaded and stops with few rights",
    async ({ dropIn, user, capabilities, options, serviceUser }) => {
      await unit.install(dropIn);
      const whole = unit.config({}, options);
      await unit.configure(whole);
      await output("sh", "-ec", "chgrp proxygw /etc/proxygw.yaml; chmod 640 /etc/proxygw.yaml");
      const pid = await unit.start(whole);
      const id = (name: string): Promise<string> => output("id", "-u", name);
      const expected = { effective: capabilities, bounding: capabilities, noNewPrivs: "1" };
      expect(await rights(pid)).toEqual({ uid: await id(user), ...expected });

      expect(await get("http://10.77.1.1:8088/")).toBe(CLIENT);
      await until("the target is active", async () => (await unit.targetState()) === "active");
      const service = await rights(Number(await unit.services()));
      expect(service).toMatchObject({ uid: await id(serviceUser), effective: mask(), noNewPrivs: "1" });

      await unit.configure({ ...whole, frontends: [unit.frontend("public-files", 8088), unit.frontend("further", 8089)] });
      await output("systemctl", "reload", unit.UNIT);
      expect(await get("http://10.77.1.1:8089/")).toBe(CLIENT);

      await output("systemctl", "stop", unit.UNIT);
      expect(await unit.property("Result")).toBe("success");
      expect([await unit.services(), await output("nft", "list", "ruleset")]).toEqual(["", ""]);
    },
  );
});
