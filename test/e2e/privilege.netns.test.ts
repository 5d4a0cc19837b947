/** The daemon with the capabilities of the systemd drop-ins, and none besides. */
import { chmod, chown, cp, mkdir, readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { paced } from "../pace.ts";
import { Daemon, until } from "./daemon.ts";
import { BACKEND, GATEWAY, Topology } from "./topology.ts";

const REPOSITORY = resolve(import.meta.dirname, "../..");
const UNITS = join(REPOSITORY, "init/systemd");
const NOBODY = 65534;
const NO_CAPABILITIES = { CapInh: "0", CapPrm: "0", CapEff: "0", CapAmb: "0" };

/** What a setting of a drop-in has for its value. */
async function setting(file: string, key: string): Promise<string> {
  const value = new RegExp(`^${key}=(.*)$`, "m").exec(await readFile(join(UNITS, file), "utf8"))?.[1];
  if (value === undefined) throw new Error(`${file} has no ${key}`);
  return value;
}

/** As setpriv takes them. */
function only(capabilities: string): string {
  return ["-all", ...capabilities.split(" ").map((each) => `+${each.toLowerCase().replace(/^cap_/, "")}`)].join(",");
}

describe("privileges", () => {
  let topology: Topology;
  let daemon: Daemon;

  beforeEach(async () => {
    topology = await Topology.create();
    daemon = await Daemon.prepare(topology, {});
  });
  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
    await topology[Symbol.asyncDispose]();
  });

  /** A service of the gateway's with a page on port 80, and one elsewhere; the first one is told which `options`. */
  async function configure(options: Record<string, unknown>, ctl: Record<string, unknown> = {}): Promise<void> {
    const service = join(daemon.directory, "self.pl");
    await cp(join(import.meta.dirname, "self.pl"), service);
    await daemon.configure({
      plugins: { ctl: { socket: join(daemon.directory, "ctl.sock"), ...ctl } },
      targets: [
        {
          name: "backend",
          kind: "static:cmd",
          idle_timeout: "1s",
          endpoints: [{ name: "main", protocol: "tcp", address: "127.0.0.1:8080" }],
          options: { command: `exec perl ${service} 127.0.0.1:8080`, ...options },
        },
        { name: "other", kind: "static:none", endpoints: [{ name: "main", protocol: "tcp", address: `${BACKEND}:80` }] },
      ],
      frontends: [
        { name: "front", kind: "static:on-demand", listen: "0.0.0.0:8088", target: "backend:main", flow_timeout: "2s" },
        { name: "page", kind: "static:http", listen: "0.0.0.0:80", target: "backend:main", options: { content: "wait" } },
        { name: "elsewhere", kind: "static:on-demand", listen: "0.0.0.0:8089", target: "other:main" },
      ],
    });
  }

  async function get(port: number): Promise<string> {
    return (await topology.run("client", "curl", "-s", "--max-time", String(paced(8)), `http://${GATEWAY}:${String(port)}/`))
      .stdout;
  }

  /** Lines of a process's status, or of what self.pl answers. */
  function capabilities(text: string): Record<string, string> {
    const found = [...text.matchAll(/^(Cap(?:Inh|Prm|Eff|Amb)):?\s*0*([0-9a-f]+)$/gm)];
    return Object.fromEntries(found.map(([, name = "", value = ""]): [string, string] => [name, value]));
  }

  /** Start, hold, wake, idle, drain, stop. */
  async function cycle(user: number): Promise<void> {
    await daemon.restart();
    const status = await readFile(`/proc/${String(daemon.pid)}/status`, "utf8");
    expect(status).toMatch(/^NoNewPrivs:\s*1$/m);
    expect(
      BigInt(`0x${capabilities(status)["CapEff"] ?? ""}`)
        .toString(2)
        .replaceAll("0", "").length,
    ).toBeLessThan(8);
    expect(await get(80)).toBe("wait");
    const answer = await get(8088);
    expect(answer.split("\n")[0]).toBe(`user ${String(user)}`);
    expect(capabilities(answer)).toEqual(NO_CAPABILITIES);
    await until("it is stopped again", async () => (await daemon.times("inactive")) > 0);
    expect(await topology.processes("gateway", "self.pl")).toEqual([]);
    expect(await get(8088)).toBe(answer);
    await daemon.drain();
    expect(await topology.shell("gateway", "cat /proc/sys/net/ipv4/ip_forward")).toBe("1");
    expect(await daemon.stop()).toBe(0);
    expect(await topology.shell("gateway", "nft list ruleset; cat /proc/sys/net/ipv4/ip_forward")).toBe("0");
    expect((await daemon.log()).filter(({ level }) => level === "ERROR" || level === "WARN")).toEqual([]);
    expect(await readdir(daemon.directory)).not.toContain("run");
  }

  it("are for nobody else to give: a configuration that others could change is refused", async () => {
    await configure({});
    const run = (...args: string[]) => topology.run("gateway", "env", daemon.program, ...args, "--config", daemon.configFile);
    for (const [path, mode] of [
      [daemon.configFile, 0o666],
      [daemon.directory, 0o777],
    ] as const) {
      await chmod(path, mode);
      const { exitCode, stderr } = await run();
      expect(exitCode).toBe(2);
      expect(stderr).toContain(`everybody can write to ${path}`);
      expect(stderr).toContain(`chmod o-w ${path}`);
      // only said, so that a draft can be checked
      const checked = await run("check");
      expect(checked).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("the daemon would refuse") as string });
      await chmod(path, 0o700);
    }
    await chown(daemon.configFile, NOBODY, NOBODY);
    expect(await run()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("belongs to the user 65534") as string });
    expect(await readdir(daemon.directory)).not.toContain("run");
    // of whoever asked for it by sudo
    daemon.through = ["env", `SUDO_UID=${String(NOBODY)}`];
    await daemon.restart();
    await chmod(daemon.configFile, 0o666);
    daemon.signal("SIGHUP");
    await until("the change is refused", async () =>
      (await daemon.log()).some(({ error }) => String(error).includes("everybody can write to")),
    );
    expect(await daemon.stop()).toBe(0);
  });

  it("of hardened.conf are enough for root, with commands that run as somebody else", async () => {
    const set = only(await setting("hardened.conf", "CapabilityBoundingSet"));
    const home = join(daemon.directory, "home");
    await configure({ user: NOBODY, group: NOBODY, cwd: home }, { group: "daemon" });
    await chmod(daemon.directory, 0o755);
    await mkdir(home, { mode: 0o700 });
    await chown(home, NOBODY, NOBODY);
    daemon.through = ["setpriv", `--bounding-set=${set}`, "--inh-caps=-all", "--no-new-privs", "--"];
    await cycle(NOBODY);
  });

  it("of unprivileged.conf are enough for another user, whose commands do not get them", async () => {
    const ambient = only(await setting("unprivileged.conf", "AmbientCapabilities"));
    const bounding = only(await setting("unprivileged.conf", "CapabilityBoundingSet"));
    await configure({});
    for (const each of ["", ...(await readdir(daemon.directory))]) await chown(join(daemon.directory, each), NOBODY, NOBODY);
    // where the repository is may be closed to others
    const program = join(daemon.directory, "program");
    for (const part of ["build", "node_modules/koffi", "node_modules/@koromix"])
      await cp(join(REPOSITORY, part), join(program, part), { recursive: true });
    daemon.program = join(program, "build/proxygw");
    daemon.through = [
      "setpriv",
      ...["--reuid=65534", "--regid=65534", "--clear-groups", `--bounding-set=${bounding}`],
      ...[`--inh-caps=${ambient}`, `--ambient-caps=${ambient}`, "--no-new-privs", "--"],
    ];
    await cycle(NOBODY);
  });
});
