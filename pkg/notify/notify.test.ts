import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../clock/fake-clock.ts";
import { collectingLog } from "../log/collecting-log.ts";
import { systemTools } from "../process/runner.ts";
import { createNotifier } from "./notify.ts";

/** A service manager: receives datagrams at the address it is given and prints each as JSON with its sender's pid; at "stuck", receives none. */
const MANAGER = `
import json, socket, struct, sys
address = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind("\\0" + address[1:] if address[0] == "@" else address)
print("bound", flush=True)
if sys.argv[2] == "stuck":
    sys.stdin.readline()
while True:
    data, ancillary, _, _ = s.recvmsg(65536, 4096)
    pid = [struct.unpack("3i", d)[0] for level, kind, d in ancillary if kind == socket.SCM_CREDENTIALS][0]
    print(json.dumps([data.decode(), pid]), flush=True)
`;

let directory: string;
const managers: ChildProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "notify-"));
});

afterEach(async () => {
  for (const manager of managers.splice(0)) {
    manager.kill("SIGKILL");
    await once(manager, "close");
  }
  rmSync(directory, { recursive: true });
});

class Manager {
  readonly received: [message: string, pid: number][] = [];
  readonly #process: ChildProcess;

  constructor(process: ChildProcess) {
    this.#process = process;
  }

  add(line: string): void {
    this.received.push(JSON.parse(line) as [string, number]);
  }

  unstick(): void {
    this.#process.stdin?.end("\n");
  }

  async messages(count: number): Promise<string[]> {
    for (let turn = 0; turn < 300 && this.received.length < count; turn++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    return this.received.map(([message]) => message);
  }
}

async function manager(address: string, mode = ""): Promise<Manager> {
  const child = spawn("python3", ["-c", MANAGER, address, mode], { stdio: ["pipe", "pipe", "inherit"] });
  managers.push(child);
  const made = new Manager(child);
  const lines = createInterface(child.stdout);
  const bound = once(lines, "line");
  await bound;
  lines.on("line", (line) => {
    made.add(line);
  });
  return made;
}

/** Of Python, which asks the system for CLOCK_MONOTONIC by its name. */
async function monotonicSeconds(): Promise<string> {
  const { stdout } = await systemTools().run("python3", ["-c", "import time; print(time.clock_gettime(time.CLOCK_MONOTONIC))"]);
  return stdout;
}

describe("a notifier", () => {
  it("tells the manager in order, a status only when it changed", async () => {
    const address = join(directory, "notify");
    const systemd = await manager(address);
    const log = collectingLog();
    const notifier = createNotifier({ NOTIFY_SOCKET: address }, log);
    notifier.ready("0 of 1 targets active");
    notifier.status("0 of 1 targets active");
    notifier.status("1 of 1\ntargets active");
    notifier.stopping();
    await notifier.close();
    await notifier.close();
    notifier.status("too late");
    expect(await systemd.messages(3)).toEqual([
      "READY=1\nSTATUS=0 of 1 targets active",
      "STATUS=1 of 1 targets active",
      "STOPPING=1\nSTATUS=stopping",
    ]);
    expect(systemd.received.every(([, pid]) => pid === process.pid)).toBe(true);
    expect(log.entries).toEqual([]);
  });

  it("tells a reload by the manager's clock, and that it is alive", async () => {
    const address = join(directory, "notify");
    const systemd = await manager(address);
    const notifier = createNotifier({ NOTIFY_SOCKET: address }, collectingLog());
    notifier.ready("up");
    notifier.reloading();
    // one that changed nothing
    notifier.reloaded("up");
    notifier.alive();
    await notifier.close();
    const messages = await systemd.messages(4);
    const microseconds = Number(/^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(messages[1] ?? "")?.[1]);
    expect(Math.abs(Number(await monotonicSeconds()) * 1e6 - microseconds)).toBeLessThan(60e6);
    expect([messages[0], ...messages.slice(2)]).toEqual(["READY=1\nSTATUS=up", "READY=1\nSTATUS=up", "WATCHDOG=1"]);
  });

  it("does not take a reload for the end of the start, nor for a new beginning after the stop", async () => {
    const address = join(directory, "notify");
    const systemd = await manager(address);
    const notifier = createNotifier({ NOTIFY_SOCKET: address }, collectingLog());
    for (const step of [
      () => undefined,
      () => {
        notifier.ready("up");
      },
      () => {
        notifier.stopping();
      },
    ]) {
      step();
      notifier.reloading();
      notifier.reloaded("reloaded");
    }
    await notifier.close();
    const messages = await systemd.messages(4);
    expect(messages.map((each) => each.split("\n").at(-1)?.split("=")[0])).toEqual([
      "STATUS",
      "MONOTONIC_USEC",
      "STATUS",
      "STATUS",
    ]);
    expect(messages.map((each) => each.split("\n")[0])).toEqual(["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]);
  });

  it("does nothing without a manager", async () => {
    const log = collectingLog();
    for (const env of [{}, { NOTIFY_SOCKET: "" }]) {
      const notifier = createNotifier(env, log);
      notifier.ready("x");
      notifier.status("y");
      notifier.reloading();
      notifier.alive();
      notifier.stopping();
      await notifier.close();
    }
    expect(log.entries).toEqual([]);
  });

  it.each([
    ["/nonexistent/notify", "ENOENT"],
    [`/${"x".repeat(200)}`, "too long"],
    ["vsock:2:1", "neither a path nor an abstract address"],
    ["@proxygw-test", "takes systemd-notify"],
  ])("warns once when it can't send to %s", async (address, expected) => {
    const log = collectingLog();
    const notifier = createNotifier({ NOTIFY_SOCKET: address }, log);
    notifier.ready("x");
    notifier.status("y");
    await notifier.close();
    expect(log.messages()).toEqual(["the service manager could not be notified"]);
    expect(String(log.entries[0]?.fields["error"])).toContain(expected);
  });

  it("waits for a manager that is slow", async () => {
    const address = join(directory, "notify");
    const systemd = await manager(address, "stuck");
    const log = collectingLog();
    const notifier = createNotifier({ NOTIFY_SOCKET: address }, log);
    // more than a datagram socket queues (net.unix.max_dgram_qlen, often 10 to 512)
    for (let count = 0; count < 600; count++) notifier.status(String(count));
    await new Promise((resolve) => setTimeout(resolve, 200));
    systemd.unstick();
    await notifier.close();
    expect((await systemd.messages(600)).at(-1)).toBe("STATUS=599");
    expect(systemd.received).toHaveLength(600);
    expect(log.entries).toEqual([]);
  });

  it("gives up on a manager that takes nothing", async () => {
    const address = join(directory, "notify");
    await manager(address, "stuck");
    const clock = new FakeClock();
    const log = collectingLog();
    const notifier = createNotifier({ NOTIFY_SOCKET: address }, log, { clock });
    for (let count = 0; count < 600; count++) notifier.status(String(count));
    const closed = notifier.close().then(() => "closed");
    for (let turn = 0; turn < 1000 && log.entries.length === 0; turn++) await clock.advance(2000);
    expect(String(log.entries[0]?.fields["error"])).toContain("EAGAIN");
    // drain the rest so that nothing is left under way
    for (let turn = 0; turn < 1000 && (await Promise.race([closed, clock.advance(2000)])) !== "closed"; turn++);
    expect(await closed).toBe("closed");
  });
});

describe("a notifier with systemd-notify", () => {
  it("reaches an abstract address, in the daemon's own name", async () => {
    const address = `@proxygw-test-${process.pid}`;
    const systemd = await manager(address);
    const env = { ...process.env, NOTIFY_SOCKET: address };
    const log = collectingLog();
    const notifier = createNotifier(env, log, { tools: systemTools(env) });
    notifier.ready("two words");
    notifier.stopping();
    await notifier.close();
    expect(await systemd.messages(2)).toEqual(["READY=1\nSTATUS=two words", "STOPPING=1\nSTATUS=stopping"]);
    expect(systemd.received.map(([, pid]) => pid)).toEqual([process.pid, process.pid]);
    expect(log.entries).toEqual([]);
  });

  it("says both reasons when neither way works", async () => {
    const env = { NOTIFY_SOCKET: "/nonexistent/notify" };
    const log = collectingLog();
    const notifier = createNotifier(env, log, { tools: systemTools(env) });
    notifier.ready("x");
    await notifier.close();
    expect(log.entries).toHaveLength(1);
    expect(log.entries[0]?.fields["error"]).toBeInstanceOf(AggregateError);
  });
});
