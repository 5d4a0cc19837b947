import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { collectingLog } from "../../log/collecting-log.ts";
import type { Needs } from "../dataplane.ts";
import { Sysctls } from "./sysctl.ts";
import { applySystem, planSystem } from "./system-settings.ts";

const NO_NEEDS: Needs = { routeLocalnet: false, forwardIPv4: false, forwardIPv6: false, hold: false };

describe("Sysctls", () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "proxygw-sysctl-"));
  });
  afterEach(async () => {
    await rm(root, { recursive: true });
  });

  async function put(values: Record<string, string>): Promise<void> {
    for (const [key, value] of Object.entries(values)) {
      await mkdir(dirname(join(root, key)), { recursive: true });
      await writeFile(join(root, key), `${value}\n`);
    }
  }

  async function value(key: string): Promise<string> {
    return (await readFile(join(root, key), "utf8")).trim();
  }

  function sysctls(manage = true, place = "here") {
    const log = collectingLog();
    const options = { log, manage, root, stateFile: join(root, "sysctls.json"), place: () => Promise.resolve(place) };
    return { sysctls: new Sysctls(options), log };
  }

  it("remembers the first former value across a crash, and puts it back once", async () => {
    await put({ "net/ipv4/ip_forward": "0" });
    const first = sysctls().sysctls;
    await first.set({ key: "net/ipv4/ip_forward", value: "1", why: "test" });
    // the daemon dies here
    const second = sysctls().sysctls;
    await second.recover();
    expect(second.changed("net/ipv4/ip_forward")).toBe(true);
    await second.set({ key: "net/ipv4/ip_forward", value: "1", why: "test" });
    await second.restore();
    expect(await value("net/ipv4/ip_forward")).toBe("0");
    const third = sysctls().sysctls;
    await third.recover();
    expect(third.changed("net/ipv4/ip_forward")).toBe(false);
  });

  it("leaves settings alone that only have the same name: of another boot, or another network namespace", async () => {
    await put({ "net/ipv4/ip_forward": "0" });
    await sysctls().sysctls.set({ key: "net/ipv4/ip_forward", value: "1", why: "test" });
    expect((await stat(join(root, "sysctls.json"))).mode & 0o777).toBe(0o600);
    const { sysctls: next, log } = sysctls(true, "elsewhere");
    await next.recover();
    expect(next.changed("net/ipv4/ip_forward")).toBe(false);
    await next.restore();
    expect(await value("net/ipv4/ip_forward")).toBe("1");
    expect(log.messages("info")).toEqual(["ignoring former sysctl values of another boot or network namespace"]);
    await expect(stat(join(root, "sysctls.json"))).rejects.toThrow("ENOENT");
  });

  it("ignores a damaged or foreign file, with a warning", async () => {
    for (const text of [
      "",
      "{",
      '{"a":1}',
      "null",
      '[["net/ipv4/ip_forward","1"]]',
      '{"place":"here","former":[["kernel/core_pattern","|/bin/sh"]]}',
      '{"place":"here","former":[["net/ipv4/../../kernel/x","1"]]}',
      '{"place":"here","former":[[1,2]]}',
      '{"place":"here","former":["net/ipv4/ip_forward"]}',
      '{"place":"here","former":[["net/ipv4/ip_forward","|/bin/sh"]]}',
      '{"place":"here","former":[["net/ipv4/ip_forward\\u0000","1"]]}',
      '{"place":"here","former":[["net/ipv4/conf","1"]]}',
      '{"place":"here","former":[["net/ipv4/conf/./forwarding","1"]]}',
    ]) {
      await put({ "sysctls.json": text });
      const { sysctls: one, log } = sysctls();
      await one.recover();
      expect(one.changed("kernel/core_pattern")).toBe(false);
      await one.restore();
      expect(log.messages("warn")).toHaveLength(1);
    }
  });

  it("names all commands at once when it may not change anything", async () => {
    await put({ "net/ipv4/ip_forward": "0", "net/ipv6/conf/all/forwarding": "0" });
    const { sysctls: one } = sysctls(false);
    const plan = await planSystem(one, { ...NO_NEEDS, forwardIPv4: true, forwardIPv6: true });
    expect(() => {
      one.refuseUnmanaged(plan.lacking);
    }).toThrow("sysctl -w net.ipv4.ip_forward=1 && sysctl -w net.ipv6.conf.all.forwarding=1");
  });

  it("keeps learnt IPv6 routes when forwarding is switched on, and puts everything back", async () => {
    const former = {
      "net/ipv6/conf/all/forwarding": "0",
      "net/ipv6/conf/default/forwarding": "0",
      "net/ipv6/conf/eth0/accept_ra": "1",
      "net/ipv6/conf/eth0/forwarding": "0",
      "net/ipv6/conf/eth1.7/accept_ra": "0",
      "net/ipv6/conf/eth1.7/forwarding": "0",
    };
    await put(former);
    const { sysctls: one } = sysctls();
    const plan = await planSystem(one, { ...NO_NEEDS, forwardIPv6: true });
    expect(plan.forwarded).toEqual(["ipv6"]);
    await applySystem(one, plan);
    expect(await value("net/ipv6/conf/eth0/accept_ra")).toBe("2");
    expect(await value("net/ipv6/conf/eth1.7/accept_ra")).toBe("0");
    // what the kernel does by itself
    await put({
      "net/ipv6/conf/default/forwarding": "1",
      "net/ipv6/conf/eth0/forwarding": "1",
      "net/ipv6/conf/eth1.7/forwarding": "1",
    });
    await one.restore();
    for (const [key, expected] of Object.entries(former)) expect([key, await value(key)]).toEqual([key, expected]);
  });

  it("is not the cause of forwarding that was on before", async () => {
    await put({ "net/ipv4/ip_forward": "1" });
    const plan = await planSystem(sysctls().sysctls, { ...NO_NEEDS, forwardIPv4: true });
    expect(plan).toEqual({ lacking: [], forwarded: [] });
  });

  it("takes an interface that is gone in its stride when putting back", async () => {
    await put({ "net/ipv4/conf/eth9/forwarding": "0" });
    const { sysctls: one } = sysctls();
    await one.set({ key: "net/ipv4/conf/eth9/forwarding", value: "1", why: "test" });
    await rm(join(root, "net/ipv4/conf/eth9"), { recursive: true });
    await one.restore();
  });
});
