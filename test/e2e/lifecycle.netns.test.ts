/** From the first start of the built daemon to its clean end: what it does, and that it leaves nothing behind. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { paced } from "../pace.ts";
import { Daemon, until } from "./daemon.ts";
import { CLIENT, GATEWAY, Topology } from "./topology.ts";

const SERVICE = resolve(import.meta.dirname, "service.py");
const SERVE = `exec python3 ${SERVICE} tcp 127.0.0.1 8080`;

function config(change: { target?: object; frontend?: object; command?: string } = {}): Record<string, unknown> {
  return {
    targets: [
      {
        name: "backend",
        kind: "static:cmd",
        endpoints: [{ name: "http", protocol: "tcp", address: "127.0.0.1:8080" }],
        options: { command: change.command ?? SERVE },
        ...change.target,
      },
    ],
    frontends: [{ name: "public", kind: "static:on-demand", listen: "0.0.0.0:8088", target: "backend:http", ...change.frontend }],
  };
}

describe("life of the daemon", () => {
  let topology: Topology;
  let daemon: Daemon | undefined;

  beforeEach(async () => {
    topology = await Topology.create();
  });
  afterEach(async () => {
    await daemon?.[Symbol.asyncDispose]();
    daemon = undefined;
    await topology[Symbol.asyncDispose]();
  });

  async function started(whole: Record<string, unknown>): Promise<Daemon> {
    daemon = await Daemon.start(topology, whole);
    return daemon;
  }

  async function get(path = "/"): Promise<{ body: string; exitCode: number | undefined }> {
    const limit = ["--max-time", String(paced(8))];
    const { stdout, exitCode } = await topology.run("client", "curl", "-s", ...limit, `http://${GATEWAY}:8088${path}`);
    return { body: stdout, exitCode };
  }

  /**
   * Kills the target's command. The shell, which came first, goes last: once it is gone, the daemon interrupts what is left, which would
   * have the last word.
   */
  async function killCommand(): Promise<void> {
    const pids = (await topology.processes("gateway", `python3 ${SERVICE}`)).toSorted((one, other) => other - one);
    for (const pid of pids) process.kill(pid, "SIGKILL");
  }

  /** All of the gateway that the daemon could change. */
  async function system(): Promise<Record<string, string>> {
    const rules = await topology.shell("gateway", "nft list ruleset");
    const sysctls = await topology.shell(
      "gateway",
      "sysctl -a 2>/dev/null | grep -E '^net\\.ipv[46]\\.(ip_forward|conf)' | sort",
    );
    const sockets = await topology.shell("gateway", "ss -Htuanp; grep -c proxygw /proc/net/unix || true");
    const processes = String(await topology.processes("gateway", ""));
    return { rules, sysctls, sockets: sockets.replaceAll(/^tcp\s+TIME-WAIT.*$/gm, "").trim(), processes };
  }

  it("stops its target when it is idle, and leaves nothing behind when it ends", async () => {
    const before = await system();
    const running = await started(config({ target: { idle_timeout: "1s" } }));
    expect(await get()).toMatchObject({ body: CLIENT });
    const served = performance.now();
    await until("the target is drained", async () => (await running.targetState()) === "inactive");
    expect(performance.now() - served).toBeGreaterThan(800);
    expect(performance.now() - served).toBeLessThan(paced(3000));
    expect(await get()).toMatchObject({ body: CLIENT });
    expect(await running.stop()).toBe(0);
    expect(await system()).toEqual(before);
  });

  it("finds the idle moment to within 100 ms, also after many short flows", async () => {
    const running = await started(config({ target: { idle_timeout: "700ms" } }));
    for (let request = 0; request < 20; request++) expect(await get()).toMatchObject({ body: CLIENT });
    await until("the target is drained", async () => (await running.targetState()) === "inactive");
    // a witness of its own: the last packet as the kernel saw it is at most the answer's
    const log = await running.log();
    const lastRequest = log.findLast(({ msg }) => typeof msg === "string" && msg.includes("GET /"));
    const draining = log.find(({ to }) => to === "draining");
    const waited = Date.parse(String(draining?.["time"])) - Date.parse(String(lastRequest?.["time"]));
    expect(waited).toBeGreaterThanOrEqual(650);
    expect(waited).toBeLessThanOrEqual(paced(850));
  });

  it("keeps a target for a silent open flow until that ends", async () => {
    const running = await started(config({ target: { idle_timeout: "500ms" }, frontend: { flow_timeout: "4s" } }));
    const begun = performance.now();
    const silent = topology.start("client", "python3", [
      "-c",
      `import socket,time;s=socket.create_connection(("${GATEWAY}",8088));time.sleep(20)`,
    ]);
    await until("the target is active", async () => (await running.targetState()) === "active");
    await new Promise((wake) => setTimeout(wake, 2000));
    expect(await running.targetState()).toBe("active");
    await until("the target is drained", async () => (await running.targetState()) === "inactive");
    expect(performance.now() - begun).toBeGreaterThan(4400);
    silent.kill("SIGKILL");
  });

  it("never drains what a running static:always frontend wants, and does when that is stopped", async () => {
    const running = await started(config({ target: { idle_timeout: "300ms" }, frontend: { kind: "static:always" } }));
    await until("the target is active", async () => (await running.targetState()) === "active");
    await new Promise((wake) => setTimeout(wake, 1500));
    expect(await running.targetState()).toBe("active");
    expect((await running.log()).filter(({ to }) => to === "draining")).toEqual([]);
    const refused = await running.control("drain", "backend");
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("proxygwctl stop public") as string });
    expect(await running.control("stop", "public")).toMatchObject({ exitCode: 0 });
    await until("the target is drained", async () => (await running.targetState()) === "inactive");
    expect(await running.control("start", "public")).toMatchObject({ exitCode: 0 });
    await until("the target is active again", async () => (await running.targetState()) === "active");
  });

  it("serves a page meanwhile with static:http, and the service from the next connection on", async () => {
    const page = { kind: "static:http", options: { content: "starting\n", status: 503 } };
    const running = await started(config({ target: { idle_timeout: "1s" }, frontend: page }));
    expect(await get()).toMatchObject({ body: "starting" });
    await until("the target is active", async () => (await running.targetState()) === "active");
    expect(await get()).toMatchObject({ body: CLIENT });
    await until("the target is drained", async () => (await running.targetState()) === "inactive");
    expect(await get()).toMatchObject({ body: "starting" });
  });

  it("lets one keep-alive client move from the page to the service without an error", async () => {
    await started(config({ frontend: { kind: "static:http", options: { content: "starting\n" } } }));
    const script = `import http.client,time
seen=[]
for i in range(200):
  c=http.client.HTTPConnection("${GATEWAY}",8088,timeout=5)
  c.request("GET","/"); seen.append(c.getresponse().read().decode().strip()); c.close()
  if seen[-1]!="starting": break
  time.sleep(0.02)
print(seen[0],seen[-1])`;
    expect((await topology.run("client", "python3", "-c", script)).stdout).toBe(`starting ${CLIENT}`);
  });

  it("notices at once that the command died, cuts its flows, and wakes again for the next client", async () => {
    const running = await started(config({ command: `python3 ${SERVICE} tcp 127.0.0.1 8080; exit $?` }));
    expect(await get()).toMatchObject({ body: CLIENT });
    const slow = topology.run("client", "curl", "-s", "--max-time", String(paced(10)), `http://${GATEWAY}:8088/slow`);
    await new Promise((wake) => setTimeout(wake, 300));
    await killCommand();
    await until("the death is noticed", async () => (await running.targetState()) === "inactive", 2000);
    const target = await running.target();
    expect(target?.last_error).toMatch(/^command (was killed by SIGKILL|ended with exit code 137); its last output: .*GET/);
    expect((await slow).exitCode).not.toBe(0);
    const flows = ["-L", "-p", "tcp", "--reply-src", "127.0.0.1", "--reply-port-src", "8080"];
    await until("its flows are cut", async () => (await topology.run("gateway", "conntrack", ...flows)).stdout === "", 1000);
    await until("the next client is served", async () => (await get()).body === CLIENT);
  });

  it("opens its log file again on SIGHUP", async () => {
    const running = await started(config());
    await rename(join(running.directory, "log"), join(running.directory, "log.1"));
    running.signal("SIGHUP");
    await until("the file is there again", async () => (await running.log()).some(({ msg }) => msg === "configuration reloaded"));
  });

  it("tells systemd that it is ready, how it is, and that it stops", async () => {
    const path = join("/tmp", `proxygw-notify-${String(process.pid)}.sock`);
    const receive = topology.start("gateway", "python3", [
      "-c",
      `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);s.bind("${path}")
while True:
  m=s.recv(4096).decode();print(m,flush=True)
  if "STOPPING" in m: break
import os;os.unlink("${path}")`,
    ]);
    await until("the socket is there", async () => (await topology.run("gateway", "test", "-S", path)).exitCode === 0);
    process.env["NOTIFY_SOCKET"] = path;
    try {
      await started(config());
    } finally {
      delete process.env["NOTIFY_SOCKET"];
    }
    await daemon?.stop();
    const { stdout } = await receive.ended;
    expect(stdout).toMatch(/READY=1[^]*STATUS=0 of 1 targets active, 1 of 1 frontends running[^]*STOPPING=1/);
  });

  it("stops while it is starting a target, and takes that along", async () => {
    const running = await started(config({ command: "sleep 60" }));
    const client = get();
    await until("the target is warming", async () => (await running.targetState()) === "warming");
    expect(await running.stop()).toBe(0);
    expect(await topology.processes("gateway", "")).toEqual([]);
    expect((await client).exitCode).not.toBe(0);
  });

  it("runs the example configuration as it is shipped", async () => {
    const file = resolve(import.meta.dirname, "../../configs/proxygw.example.yaml");
    const example = parse(await readFile(file, "utf8")) as Record<string, unknown>;
    const { targets, frontends } = example;
    const running = await started({ targets, frontends });
    await until("the target is active", async () => (await running.targetState()) === "active");
    expect((await get()).body).toContain("Directory listing");
    expect((await topology.run("gateway", "curl", "-s", "http://127.0.0.1:8088/")).stdout).toContain("Directory listing");
  });

  describe("refusals", () => {
    async function run(whole: Record<string, unknown>, ...wrapper: string[]) {
      daemon = await Daemon.prepare(topology, whole);
      return topology.run(
        "gateway",
        wrapper[0] ?? daemon.program,
        ...wrapper.slice(1),
        ...(wrapper.length > 0 ? [daemon.program] : []),
        "--config",
        daemon.configFile,
      );
    }

    it("says all that is wrong with a configuration, and touches nothing", async () => {
      const before = await system();
      const wrong = { target: { idle_timeout: "5 minutes" }, frontend: { target: "backed:http", listen: "0.0.0.0:0" } };
      const { exitCode, stderr } = await run({ ...config(wrong), typo: 1 });
      expect(exitCode).toBe(2);
      for (const text of ["idle_timeout", "5 minutes", "backend", "port 0", "typo", "^"]) expect(stderr).toContain(text);
      expect(stderr).toMatch(/proxygw\.yaml:\d+:\d+/);
      expect(await system()).toEqual(before);
    });

    it("checks a configuration without privileges", async () => {
      daemon = await Daemon.prepare(topology, config());
      const { exitCode, stdout } = await topology.run("gateway", daemon.program, "check", "--config", daemon.configFile);
      expect(exitCode).toBe(0);
      expect(stdout).toContain("valid (1 target, 1 frontend)");
    });

    it("says what privilege is missing", async () => {
      const { exitCode, stderr } = await run(config(), "setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin");
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/^proxygw: .*CAP_NET_ADMIN/);
    });

    it("says that nft is missing, and how to get it", async () => {
      const program = "nft";
      // in a mount namespace of its own, its folder is one with links to everything else in it
      const hide = [
        `folder=$(dirname "$(command -v ${program})")`,
        "mount -t tmpfs none /mnt",
        "mkdir /mnt/old /mnt/new",
        'mount --bind "$folder" /mnt/old',
        "cp -as /mnt/old/. /mnt/new/",
        `rm /mnt/new/${program}`,
        'mount --bind /mnt/new "$folder"',
        'exec "$@"',
      ].join(" && ");
      const { exitCode, stderr } = await run(config(), "unshare", "--mount", "sh", "-c", hide, "sh");
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining("apt-get install nftables") as string]);
    });

    it("refuses a second daemon with the same table, and leaves the first alone", async () => {
      const first = await started(config());
      const second = await Daemon.prepare(topology, config());
      const { exitCode, stderr } = await topology.run("gateway", second.program, "--config", second.configFile);
      await second[Symbol.asyncDispose]();
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/another proxygw \(pid \d+\) owns the table "inet proxygw"/);
      expect(await get()).toMatchObject({ body: CLIENT });
      expect(first.pid).toBeGreaterThan(0);
    });

    it("leaves nothing behind when its control socket is taken", async () => {
      const before = await system();
      const path = join("/tmp", `proxygw-taken-${String(process.pid)}`);
      await writeFile(path, "a file");
      const { exitCode, stderr } = await run({ ...config(), plugins: { ctl: { socket: path } } });
      expect(exitCode).toBe(1);
      expect(stderr).toContain(path);
      expect(await readFile(path, "utf8")).toBe("a file");
      await topology.shell("gateway", `rm ${path}`);
      expect(await system()).toEqual(before);
    });

    it("replaces what a killed daemon left, and its flows go on meanwhile", async () => {
      const before = await system();
      const running = await started(config());
      expect(await get()).toMatchObject({ body: CLIENT });
      // until then, new connections still come to the daemon
      await until("the target is active", async () => (await running.targetState()) === "active");
      await running.stop("SIGKILL");
      expect(await get()).toMatchObject({ body: CLIENT });
      await killCommand();
      await running.restart();
      expect(await get()).toMatchObject({ body: CLIENT });
      expect(await running.stop()).toBe(0);
      expect(await system()).toEqual(before);
    });
  });
});
