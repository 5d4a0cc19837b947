/** `make install`: what it installs works by itself, elsewhere than in the source tree; `make uninstall` takes it away again. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { visit } from "../e2e/clients.ts";
import { Daemon, until } from "../e2e/daemon.ts";
import { lasting, onDemand, PYTHON } from "../e2e/on-demand.ts";
import { CLIENT, GATEWAY, Topology } from "../e2e/topology.ts";
import { paced } from "../pace.ts";

const REPOSITORY = resolve(import.meta.dirname, "../..");
const TYPIST = join(REPOSITORY, "test/e2e/typist.py");

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(file: string, args: string[], env: Record<string, string> = {}): Promise<Ran> {
  const options = { cwd: "/", env: { ...process.env, ...env }, timeout: paced(60_000) };
  try {
    return { status: 0, ...(await promisify(execFile)(file, args, options)) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { status: code, stdout, stderr };
  }
}

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((each) => !each.isDirectory()).map((each) => join(each.parentPath, each.name).slice(directory.length));
}

describe("make install", () => {
  let prefix = "";
  let wanted: Record<string, string> = {};

  /** As `make TARGET NAME=VALUE…`. */
  async function make(target: string, variables: Record<string, string>): Promise<Ran> {
    const given = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    return run("make", ["--no-print-directory", "-C", REPOSITORY, target, ...given]);
  }

  beforeAll(async () => {
    prefix = await mkdtemp(join(tmpdir(), "proxygw-install-"));
    wanted = { PREFIX: prefix, sysconfdir: join(prefix, "etc") };
    expect(await make("install", wanted)).toMatchObject({ status: 0 });
  });
  afterAll(async () => {
    await rm(prefix, { recursive: true });
  });

  const program = (name: string): string => join(prefix, "bin", name);

  it("installs programs that work, and all that belongs to them", async () => {
    const { version } = JSON.parse(await readFile(join(REPOSITORY, "package.json"), "utf8")) as { version: string };
    for (const name of ["proxygw", "proxygwctl"])
      expect(await run(program(name), ["--version"])).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
    const files = await filesIn(prefix);
    expect(files).toEqual(expect.arrayContaining(["/share/man/man8/proxygw.8", "/share/man/man8/proxygwctl.8"]));
    expect(files).toEqual(expect.arrayContaining(["/share/man/man5/proxygw.yaml.5", "/share/proxygw/proxygw.schema.json"]));
    expect(files).toContain("/share/proxygw/systemd/unprivileged.conf");
    expect(files).toEqual(
      expect.arrayContaining(["/share/proxygw/grafana/proxygw.json", "/share/proxygw/prometheus/alerts.yaml"]),
    );
    expect(files).toContain("/lib/proxygw/node_modules/koffi/package.json");
    // no sources, nothing for other C libraries
    expect(files.filter((each) => /\.(cc|hh|gyp|d\.ts)$|musl/.test(each))).toEqual([]);
    const unit = await readFile(join(prefix, "lib/systemd/system/proxygw.service"), "utf8");
    expect(unit).toContain(`ExecStart=${program("proxygw")} --config ${prefix}/etc/proxygw.yaml\n`);
    expect(unit).toContain(`ExecReload=${program("proxygwctl")} --config ${prefix}/etc/proxygw.yaml reload\n`);
  });

  it("brings a configuration that is valid and has no services, and an existing one stays", async () => {
    const config = join(prefix, "etc/proxygw.yaml");
    const { stdout } = await run(program("proxygw"), ["check", "--config", config]);
    expect(stdout).toBe(`${config}: valid (0 targets, 0 frontends)\n`);
    expect((await readFile(config, "utf8")).split("\n")[0]).toBe(
      `# yaml-language-server: $schema=${prefix}/share/proxygw/proxygw.schema.json`,
    );
    await writeFile(config, "version: v1\n");
    expect(await make("install", wanted)).toMatchObject({ status: 0 });
    expect(await readFile(config, "utf8")).toBe("version: v1\n");
  });

  it("brings all documents, and all examples, which name the schema where it is", async () => {
    const documents = join(prefix, "share/doc/proxygw");
    for (const [source, installed] of [
      ["docs", "docs"],
      ["configs/examples", "examples"],
    ] as const)
      expect(await readdir(join(documents, installed))).toEqual(expect.arrayContaining(await readdir(join(REPOSITORY, source))));
    const examples = await filesIn(join(documents, "examples"));
    expect(examples).toContain("/proxygw.yaml");
    for (const each of examples) {
      const text = await readFile(join(documents, "examples", each), "utf8");
      expect(text.split("\n")[0], each).toBe(`# yaml-language-server: $schema=${prefix}/share/proxygw/proxygw.schema.json`);
    }
  });

  it("prints the schema that it installs", async () => {
    const { stdout } = await run(program("proxygw"), ["schema"]);
    const { $comment, ...installed } = JSON.parse(
      await readFile(join(prefix, "share/proxygw/proxygw.schema.json"), "utf8"),
    ) as Record<string, unknown>;
    expect($comment).toBeTypeOf("string");
    expect(JSON.parse(stdout)).toEqual(installed);
  });

  it("says so when Node.js is missing, or too old", async () => {
    const empty = join(prefix, "empty");
    await mkdir(empty);
    const missing = await run(program("proxygw"), ["--version"], { PATH: empty });
    expect(missing).toMatchObject({ status: 1, stdout: "" });
    expect(missing.stderr).toBe(
      "proxygw: Node.js 20.19 or newer is needed, and there is no program node in PATH; see https://nodejs.org\n",
    );
    const disguise = join(prefix, "old.cjs");
    await writeFile(disguise, 'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.20.4" } });');
    const old = await run(program("proxygwctl"), ["--version"], { NODE_OPTIONS: `--require ${disguise}` });
    expect(old).toEqual({
      status: 1,
      stdout: "",
      stderr: `proxygwctl: Node.js 18.20.4 (${process.execPath}) is too old; 20.19 or newer is needed: see https://nodejs.org\n`,
    });
  });

  it("puts DESTDIR before all, and into no file", async () => {
    const root = await mkdtemp(join(tmpdir(), "proxygw-root-"));
    try {
      expect(await make("install", { DESTDIR: root, PREFIX: "/usr" })).toMatchObject({ status: 0, stderr: "" });
      const files = await filesIn(root);
      expect(files).toEqual(expect.arrayContaining(["/usr/bin/proxygw", "/etc/proxygw.yaml", "/usr/lib/proxygw/proxygw.cjs"]));
      expect(files.filter((each) => !/^\/(usr|etc)\//.test(each))).toEqual([]);
      for (const each of files) {
        expect((await lstat(join(root, each))).isSymbolicLink()).toBe(false);
        expect((await readFile(join(root, each))).includes(root), each).toBe(false);
      }
      expect(await make("uninstall", { DESTDIR: root, PREFIX: "/usr" })).toMatchObject({ status: 0 });
      expect(await filesIn(root)).toEqual(["/etc/proxygw.yaml"]);
    } finally {
      await rm(root, { recursive: true });
    }
  });

  describe("the daemon", () => {
    let topology: Topology;
    let daemon: Daemon;

    beforeEach(async () => {
      topology = await Topology.create();
    });
    afterEach(async () => {
      await daemon[Symbol.asyncDispose]();
      await topology[Symbol.asyncDispose]();
    });

    it("holds and wakes with the native modules that were installed", async () => {
      // by another name, as an administrator may have it
      const link = join(prefix, "sbin/gateway");
      await mkdir(dirname(link));
      await symlink(program("proxygw"), link);
      daemon = await Daemon.prepare(topology, onDemand({ command: lasting("127.0.0.1:8080") }));
      daemon.program = link;
      await daemon.restart();
      expect(await visit(topology, "client", GATEWAY, 8088)).toMatchObject({ answer: CLIENT });
      await until("it is active", async () => (await daemon.targetState()) === "active");
      const { exitCode, stdout } = await topology.run("gateway", program("proxygwctl"), "--config", daemon.configFile, "status");
      expect([exitCode, stdout]).toEqual([0, expect.stringContaining('"state": "active"')]);
      expect(await daemon.stop()).toBe(0);
    });

    it("has its names completed by shells that find what was installed", async () => {
      daemon = await Daemon.start(topology, onDemand({ command: lasting("127.0.0.1:8080") }));
      const line = `proxygwctl --config ${daemon.configFile} warm ba`;
      const home = join(prefix, "home");
      await mkdir(home);
      const inShell = async (...command: string[]): Promise<string> => {
        const environment = [`HOME=${home}`, `XDG_DATA_DIRS=${join(prefix, "share")}:/usr/share`];
        const path = `PATH=${join(prefix, "bin")}:${process.env["PATH"] ?? ""}`;
        const limit = `TYPIST_LIMIT=${String(paced(20_000) / 1000)}`;
        const { stdout } = await topology.run("gateway", "env", ...environment, path, limit, "PS1=$ ", ...command);
        return stdout;
      };

      const words = `COMP_WORDS=(${line}) COMP_CWORD=4`;
      // the loader ends with 124 when it has found something
      const bash = `source /usr/share/bash-completion/bash_completion; _completion_loader proxygwctl; echo $?`;
      expect(await inShell("bash", "--norc", "-c", `${bash}; ${words}; _proxygwctl; echo "\${COMPREPLY[*]}"`)).toBe(
        "124\nbackend",
      );

      const steps = [
        {
          type: `fpath=(${join(prefix, "share/zsh/site-functions")} $fpath); autoload -U compinit; compinit -u -D; echo loa''ded\n`,
        },
        { expect: "loaded" },
        { type: `${line}\t` },
        { expect: "backend" },
        { type: "\x15exit\n" },
      ];
      const zsh = await inShell(PYTHON, TYPIST, JSON.stringify(steps), "zsh", "-f", "-i");
      expect(JSON.parse(zsh)).toMatchObject({ missing: null });

      expect(await inShell("fish", "-c", `complete -C '${line}'`)).toMatch(/^backend\t/);
      await rm(home, { recursive: true });
    });
  });

  it("is undone by make uninstall, but for the configuration", async () => {
    await rm(join(prefix, "sbin"), { recursive: true, force: true });
    await rm(join(prefix, "old.cjs"), { force: true });
    const { status, stdout } = await make("uninstall", wanted);
    expect([status, stdout]).toEqual([0, `${prefix}/etc/proxygw.yaml is left where it is\n`]);
    expect(await filesIn(prefix)).toEqual(["/etc/proxygw.yaml"]);
    for (const each of ["lib/proxygw", "share/proxygw", "share/doc/proxygw"])
      expect(existsSync(join(prefix, each)), each).toBe(false);
  });
});
