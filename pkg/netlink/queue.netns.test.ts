import { once } from "node:events";
import { resolve } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { paced } from "../../test/pace.ts";
import type { Result, Scenario } from "./queue-scenarios.ts";

/**
 * One namespace, its loopback device for a network. The programs under test run inside:
 *
 *   OUTPUT     udp dport 9000 ──► queue 5
 *   PREROUTING tcp dport 8080, SYN, mark 3 ──► queue 5
 *   INPUT      tcp, mark 0x80000007 ──► reset
 */
const NAMESPACE = `pgwnl${process.pid}`;
const SCENARIOS = resolve(import.meta.dirname, "queue-scenarios.ts");

async function inside(...command: string[]): Promise<void> {
  await execa("ip", ["netns", "exec", NAMESPACE, ...command]);
}

function program(name: Scenario, ...wrapper: string[]): string[] {
  return ["netns", "exec", NAMESPACE, ...wrapper, process.execPath, "--import", "tsx", SCENARIOS, name];
}

async function run<Name extends Scenario>(name: Name, ...wrapper: string[]): Promise<Result<Name>> {
  const { stdout } = await execa("ip", program(name, ...wrapper), { timeout: paced(25_000) });
  return JSON.parse(stdout.split("\n").at(-1) ?? "") as Result<Name>;
}

beforeAll(async () => {
  await execa("ip", ["netns", "add", NAMESPACE]);
  await inside("ip", "link", "set", "lo", "up");
  const syn = ["-p", "tcp", "--dport", "8080", "--syn"];
  for (const iptables of ["iptables", "ip6tables"]) {
    await inside(iptables, "-t", "raw", "-A", "PREROUTING", ...syn, "-j", "MARK", "--set-mark", "3");
    await inside(iptables, "-t", "raw", "-A", "PREROUTING", ...syn, "-j", "NFQUEUE", "--queue-num", "5");
  }
  await inside(..."iptables -t raw -A OUTPUT -p udp --dport 9000 -j NFQUEUE --queue-num 5".split(" "));
  await inside(..."iptables -A INPUT -p tcp -m mark --mark 0x80000007 -j REJECT --reject-with tcp-reset".split(" "));
});

afterAll(async () => {
  await execa("ip", ["netns", "delete", NAMESPACE]);
});

describe("a held connection", () => {
  it.each([
    ["held4", "127.0.0.1", "ipv4", 0x0800, 60],
    ["held6", "::1", "ipv6", 0x86dd, 80],
  ] as const)("is let go by its verdict (%s)", async (name, address, family, etherType, length) => {
    const { milliseconds, error, seen } = await run(name);
    expect(error).toBeUndefined();
    expect(milliseconds).toBeGreaterThanOrEqual(199);
    expect(milliseconds).toBeLessThan(paced(900));
    expect(seen.length).toBe(1);
    expect(seen[0]?.packet).toMatchObject({ hook: "prerouting", etherType, mark: 3, inputInterface: 1, length });
    expect(seen[0]?.packet.outputInterface).toBeUndefined();
    expect(seen[0]?.copied).toBe(length);
    expect(seen[0]?.flow).toMatchObject({
      family,
      protocol: "tcp",
      source: { family, address },
      destination: { family, address, port: 8080 },
      syn: true,
      ack: false,
    });
  });

  it("tries again when its packet is dropped", async () => {
    const { milliseconds, error, seen } = await run("dropped");
    expect(error).toBeUndefined();
    expect(milliseconds).toBeGreaterThan(900);
    expect(seen.length).toBe(2);
    expect(seen[0]?.flow?.flowKey).toBe(seen[1]?.flow?.flowKey);
  });

  it("is refused by a rule for the mark it is let go with", async () => {
    const { milliseconds, error } = await run("marked");
    expect(error).toBe("ECONNREFUSED");
    expect(milliseconds).toBeLessThan(paced(900));
  });

  it("is served by the next one to open the queue", async () => {
    expect(await run("reopened")).toEqual({ first: 1, second: 1, heldAfterClose: 0 });
  });
});

describe("many packets", () => {
  it("all come through, and the event loop stays responsive", async () => {
    const { seen, stats, loopDelayMs } = await run("burst");
    expect(seen).toBe(20_000);
    expect(stats).toEqual({ packets: 20_000, malformed: 0, overruns: 0, gone: 0, held: 0, overflows: 0 });
    expect(loopDelayMs).toBeLessThan(paced(20));
  });

  it("are let go together, in order", async () => {
    const { held, received, heldAfter } = await run("batch");
    expect(held).toBe(100);
    expect(heldAfter).toBe(0);
    expect(received).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });

  it("that overrun the receive buffer are counted, and the queue goes on", async () => {
    const { stats, reported, seenAfter } = await run("overrun");
    expect(stats.overruns).toBeGreaterThan(0);
    expect(reported).toBe(stats.overruns);
    expect(stats.packets + stats.overruns).toBe(201);
    expect(seenAfter).toBe(1);
    expect(stats.held).toBe(0);
  });

  it("beyond the queue's length are dropped and counted by the kernel", async () => {
    expect(await run("overflow")).toMatchObject({ packets: 10, held: 10, overflows: 5, overruns: 0 });
  });
});

describe("verdicts", () => {
  it("on packets that are gone are harmless", async () => {
    expect(await run("twice")).toMatchObject({ packets: 1, gone: 3, held: 0 });
  });
});

describe("the event loop", () => {
  it("is seen to have lost sight of a queue", async () => {
    expect(await run("unread")).toEqual([0, 1]);
  });

  it("does no work for an idle queue and ends as soon as it is closed", async () => {
    const { stdout } = await execa("ip", program("idle"), { timeout: paced(25_000) });
    const [{ cpuMs }, exitMs] = stdout.split("\n").map((line) => JSON.parse(line) as unknown) as [{ cpuMs: number }, number];
    expect(cpuMs).toBeLessThan(paced(50));
    expect(exitMs).toBeLessThan(paced(100));
  });

  it("ends the process when the user of a queue throws", async () => {
    const { exitCode, stderr } = await execa("ip", program("throwing"), { reject: false, timeout: paced(25_000) });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("thrown by the user");
  });
});

describe("opening", () => {
  it("a queue that another process holds ends in QUEUE_BUSY, until that one ends", async () => {
    const holder = execa("ip", program("holder"), { stdin: "pipe", timeout: paced(25_000) });
    await once(holder.stdout, "data");
    expect(await run("opening")).toBe("QUEUE_BUSY");
    holder.stdin.end();
    await holder;
    expect(await run("opening")).toBe("opened");
  });

  it("without the capability ends in PRIVILEGE_MISSING", async () => {
    expect(await run("opening", "setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")).toBe("PRIVILEGE_MISSING");
  });
});
