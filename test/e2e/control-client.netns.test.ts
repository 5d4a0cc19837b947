/** proxygwctl as people use it: on a terminal, in a pipe, as a member of the socket's group, and from their shells. */
import { chmod, cp, mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { paced } from "../pace.ts";
import { Daemon, until } from "./daemon.ts";
import { onDemand, PYTHON } from "./on-demand.ts";
import { GATEWAY, type Ran, Topology } from "./topology.ts";

const CONTROL = resolve(import.meta.dirname, "../../build/proxygwctl");
const TYPIST = resolve(import.meta.dirname, "typist.py");
const NOBODY = "65534";
/** A group of every Debian. */
const GROUP = { name: "adm", id: "4" };
const LEFT = "\x1b[?7h\x1b[?25h\x1b[?1049l";

type Step = { expect: string } | { type: string } | { signal: string; pid?: number } | { resize: [number, number] };

interface Typed {
  readonly output: string;
  readonly status: number;
  readonly same: boolean;
  readonly missing: string | null;
}

describe("proxygwctl", () => {
  let topology: Topology;
  let daemon: Daemon;
  let socket: string;
  /** Where everybody may run it, and shells find it. */
  let bin: string;

  beforeAll(async () => {
    topology = await Topology.create();
    daemon = await Daemon.prepare(topology, {});
    socket = join(daemon.directory, "ctl.sock");
    bin = join(daemon.directory, "bin");
    await chmod(daemon.directory, 0o755);
    await mkdir(bin);
    await cp(CONTROL, join(bin, "proxygwctl"));
    await daemon.configure({
      ...onDemand({ target: { idle_timeout: "10m" } }),
      plugins: { ctl: { socket, group: GROUP.name } },
    });
    await chmod(daemon.configFile, 0o600);
    await daemon.restart();
  });
  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await topology[Symbol.asyncDispose]();
  });

  const inShell = (script: string): Promise<Ran> =>
    topology.run("gateway", "env", `PATH=${bin}:${process.env["PATH"] ?? ""}`, "bash", "-c", script);

  const asMember = (...args: string[]): Promise<Ran> =>
    topology.run(
      "gateway",
      "setpriv",
      "--reuid",
      NOBODY,
      "--regid",
      NOBODY,
      "--groups",
      GROUP.id,
      join(bin, "proxygwctl"),
      ...args,
    );

  const watched = async (): Promise<boolean> => (await inShell("ss -Hx state established | grep -q ctl.sock")).exitCode === 0;

  async function typed(program: readonly string[], ...steps: Step[]): Promise<Typed> {
    const limit = `TYPIST_LIMIT=${String(paced(20_000) / 1000)}`;
    const environment = [`PATH=${bin}:${process.env["PATH"] ?? ""}`, `HOME=${daemon.directory}`, limit, "PS1=$ "];
    const ran = await topology.run("gateway", "env", ...environment, PYTHON, TYPIST, JSON.stringify(steps), ...program);
    if (ran.stdout === "") throw new Error(ran.stderr);
    const outcome = JSON.parse(ran.stdout) as Typed;
    if (outcome.missing !== null) throw new Error(`never came: ${outcome.missing}\nthere was: ${outcome.output}`);
    return outcome;
  }

  const top = (...args: string[]): string[] => ["proxygwctl", "--socket", socket, "top", ...args];

  it("tells the whole story of a client", async () => {
    const watching = inShell(
      `timeout -s INT --preserve-status ${String(paced(20))} proxygwctl --socket ${socket} watch -o json backend | head -n 4`,
    );
    await until("it watches", watched);
    // asked later than the subscription, and so answered later
    await daemon.status();
    const got = await topology.run("client", "curl", "-s", "--max-time", String(paced(20)), `http://${GATEWAY}:8088/`);
    expect(got.exitCode).toBe(0);

    const status = (await daemon.control("status", "-o", "table", "backend")).stdout;
    expect(status).toMatch(
      /^backend +active +\S+ +\d+ +1 +\S+ \S+ +\S+ \S+ +in \d+m\S* +\S+( ago)?: first packet from 10\.77\.1\.2:\d+ \(front\), ready in \S+s$/m,
    );
    expect(status).toMatch(/^front +running +\S+ +\d+ +1 +\S+ \S+ +\S+ \S+ +0 +tcp 0\.0\.0\.0:8088 +backend:main/m);
    const { targets } = JSON.parse((await daemon.control("status", "--traffic")).stdout) as {
      targets: { traffic: { connections: number } }[];
    };
    expect(targets[0]?.traffic.connections).toBe(1);
    expect(await daemon.control("flows", "backend")).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('"flows": [') as string,
    });
    expect(await daemon.control("warm", "backend", "bakend")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('did you mean "backend"?') as string,
    });
    // what comes after the last line that is read: it notices that nobody reads, and ends
    await daemon.drain();
    const events = (await watching).stdout.split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.map(({ type, to }) => to ?? type)).toEqual(expect.arrayContaining(["hold", "warming", "active"]));
  });

  it("works for a member of the socket's group who may not read the configuration", async () => {
    expect(await asMember("--socket", socket, "warm", "backend")).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    expect((await asMember("--socket", socket, "status")).stdout).toContain('"state": "active"');
    const refused = await asMember("--config", daemon.configFile, "status");
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("no permission to read this file") as string });
    const other = await topology.run(
      "gateway",
      "setpriv",
      "--reuid",
      NOBODY,
      "--regid",
      NOBODY,
      "--clear-groups",
      join(bin, "proxygwctl"),
      "--socket",
      socket,
      "status",
    );
    expect(other).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("no permission to use") as string });
  });

  it("takes the usual socket where the usual configuration may not be read", async () => {
    const script = `mount -t tmpfs etc /etc; mount -t tmpfs run /run; echo 'plugins: { ctl: { socket: /x } }' > /etc/proxygw.yaml
      chmod "$1" /etc/proxygw.yaml; exec setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups ${join(bin, "proxygwctl")} status`;
    const withMode = (mode: string): Promise<Ran> =>
      topology.run("gateway", "unshare", "--mount", "sh", "-ec", script, "sh", mode);
    expect((await withMode("644")).stderr).toContain("there is no socket /x:");
    expect((await withMode("600")).stderr).toMatch(
      /there is no socket \/run\/proxygw\.sock: .* not yours to read: name the socket with --socket/,
    );
  });

  it("has colours on a terminal, unless they are not wanted", async () => {
    const coloured = await typed(["proxygwctl", "--socket", socket, "status"]);
    expect(coloured).toMatchObject({ status: 0, same: true });
    expect(coloured.output).toContain("\x1b[32m  active");
    const plain = await typed(["env", "NO_COLOR=1", "proxygwctl", "--socket", socket, "status"]);
    expect(plain.output).toMatch(/^TARGET/);
    expect(plain.output).not.toContain("\x1b");
  });

  it("top: shows what is, follows the terminal's size, and leaves it as it was", async () => {
    const outcome = await typed(
      top("--interval", "200ms"),
      { expect: "\x1b[?1049h" },
      { expect: "backend" },
      { resize: [10, 60] },
      { type: "o" },
      { expect: "q quit   sort: n name, s state, f flows, c connections, i i…" },
      { type: "q" },
    );
    expect(outcome).toMatchObject({ status: 0, same: true });
    expect(outcome.output.endsWith(LEFT)).toBe(true);
  });

  it.each([
    ["Ctrl-C", { type: "\x03" }, 130],
    ["SIGTERM", { signal: "TERM" }, 143],
    ["SIGHUP", { signal: "HUP" }, 129],
    ["SIGINT", { signal: "INT" }, 130],
  ])("top: leaves the terminal as it was after %s", async (_how, step, status) => {
    const outcome = await typed(top(), { expect: "q quit" }, step);
    expect(outcome).toMatchObject({ status, same: true });
    expect(outcome.output.endsWith(LEFT)).toBe(true);
  });

  it("top: gives the terminal back while it is stopped", async () => {
    const outcome = await typed(
      ["bash", "--norc", "--noediting", "-i"],
      { type: `${top().join(" ")}\n` },
      { expect: "q quit" },
      { type: "\x1a" },
      { expect: LEFT },
      { expect: "Stopped" },
      { type: "stty -a | grep -o ' echo ' | tr a-z A-Z; fg\n" },
      { expect: " ECHO " },
      { expect: "\x1b[?1049h" },
      { expect: "q quit" },
      { type: "q" },
      { expect: LEFT },
      { type: "echo status $?.\n" },
      { expect: "status 0." },
      { type: "exit\n" },
    );
    expect(outcome.status).toBe(0);
  });

  it("completes in bash", async () => {
    await typed(
      ["bash", "--norc", "-i"],
      { type: "source <(proxygwctl completion bash); echo loa''ded\n" },
      { expect: "loaded" },
      { type: "proxygwctl sta\t\t" },
      { expect: "start" },
      { expect: "status" },
      { type: `\x15proxygwctl --socket=${socket} warm back\t` },
      { expect: " warm backend " },
      { type: "\x15proxygwctl status --output=js\t" },
      { expect: "--output=json " },
      { type: `\x15proxygwctl --config ${join(daemon.directory, "proxygw.ya")}\t` },
      { expect: "proxygw.yaml " },
      { type: "\x15exit\n" },
    );
  });

  it("completes in zsh", async () => {
    await typed(
      ["zsh", "-f", "-i"],
      { type: "autoload -U compinit; compinit -u -D; source <(proxygwctl completion zsh); echo loa''ded\n" },
      { expect: "loaded" },
      { type: "proxygwctl statu\t" },
      { expect: "proxygwctl status" },
      { type: `\x15proxygwctl --socket ${socket} warm back\t\n` },
      { type: "echo status $?.\n" },
      { expect: "status 0." },
      { type: "exit\n" },
    );
  });

  it("completes in fish", async () => {
    const ask = (line: string): string => `complete -C '${line}'`;
    const lines = [`proxygwctl completion fish | source`, ask(`proxygwctl --socket ${socket} warm b`), ask("proxygwctl dr")].join(
      "; ",
    );
    const { stdout } = await inShell(`HOME=${daemon.directory} fish -N -c "${lines}"`);
    expect(stdout).toBe("backend\ttarget, active\ndrain\tstop a target that no flow is alive on, and wait until it has stopped");
  });

  it.each([
    ["before it watches", "true"],
    ["while it watches", "until ss -Hx state established | grep -q ctl.sock; do :; done"],
  ])("watch ends when its reader does so %s, though no event comes", async (_when, reader) => {
    const limit = String(paced(20_000) / 1000);
    const script = `set -o pipefail; timeout ${limit} ${CONTROL} --socket ${socket} watch | { ${reader}; }`;
    expect(await topology.run("gateway", "bash", "-c", script)).toMatchObject({ exitCode: 0, stderr: "" });
  });

  it("top and watch end, with a word, when the daemon does", async () => {
    const watching = topology.run("gateway", join(bin, "proxygwctl"), "--socket", socket, "watch");
    await until("it watches", watched);
    const stop = { signal: "TERM", pid: daemon.pid };
    const topping = typed(top("--interval", "200ms"), { expect: "q quit" }, stop);
    expect(await watching).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("the daemon closed the connection") as string,
    });
    const outcome = await topping;
    expect(outcome).toMatchObject({ status: 1, same: true });
    expect(outcome.output).toMatch(/\x1b\[\?1049l.*proxygwctl: /s);
  });
});
