/**
 * A file of configs/examples, run as it is on the gateway of a topology.
 *
 * The gateway gets a mount namespace of its own, where /srv and /run are empty, and which knows the users that the examples name.
 * What a reader of the example would have put on the machine (`machine`) goes there; programs that cannot be installed for a test have
 * stand-ins first in PATH.
 */
import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, onTestFinished } from "vitest";
import { ask } from "../../../cmd/proxygwctl/client.ts";
import { systemClock } from "../../../pkg/clock/clock.ts";
import { Method } from "../../../pkg/ctl/method.ts";
import type { Status, TargetStatus } from "../../../pkg/plugin/plugin.ts";
import { paced } from "../../pace.ts";
import { until } from "../daemon.ts";
import type { Ran, Running, Topology } from "../topology.ts";

export const CONFIGS = resolve(import.meta.dirname, "../../../configs/examples");
const BUILD = resolve(import.meta.dirname, "../../../build");

/** Added to /etc/passwd where they are missing; root's home is moved out of the way of the machine's own. */
const USERS = ["game", "llm", "minecraft", "postgres", "redis", "www-data"];

/** A shell script that makes the namespace's machine, and then runs what follows. `DIR` is the test's directory. */
const MACHINE = `
mount -t tmpfs -o mode=755 machine /srv
mount -t tmpfs -o mode=755 machine /run
mkdir -m 700 /srv/root
sed 's|^\\(root:[^:]*:0:0:[^:]*:\\)[^:]*|\\1/srv/root|' /etc/passwd >"$DIR/passwd"
number=64100
for user in ${USERS.join(" ")}; do
  number=$((number + 1))
  grep -q "^$user:" "$DIR/passwd" || echo "$user:x:$number:$number::/srv/$user:/bin/sh" >>"$DIR/passwd"
done
chmod 644 "$DIR/passwd"
mount --bind "$DIR/passwd" /etc/passwd
PATH=$DIR/bin:$PATH:/usr/sbin:/sbin
export PATH
`;

interface Setup {
  /** A shell script, run on the gateway as root before the daemon starts. */
  readonly machine?: string;
  /** Files for the script, by name: $DIR/NAME. Those in bin/ are programs. */
  readonly files?: Readonly<Record<string, string>>;
  /** Texts of the example that the test has to change, and what they become. Each must be there exactly once. */
  readonly change?: readonly (readonly [string, string])[];
}

/** Whether programs of Debian are there; says it loudly where they are not. */
export function lacks(...programs: string[]): boolean {
  const path = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  const missing = programs.filter((program) => {
    try {
      execFileSync("sh", ["-c", `ls ${program} 2>/dev/null || command -v ${program}`], { env: { ...process.env, PATH: path } });
      return false;
    } catch {
      return true;
    }
  });
  if (missing.length > 0)
    console.error(`!!! SKIPPED, because programs are missing: ${missing.join(", ")} (sudo make test installs them)`);
  return missing.length > 0;
}

/** A directory for one machine, with the files that it is to have; gone after the test. */
export async function machineDirectory(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "proxygw-example-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await chmod(directory, 0o755);
  await mkdir(join(directory, "bin"));
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(directory, name), text);
    await chmod(join(directory, name), name.startsWith("bin/") ? 0o755 : 0o644);
  }
  return directory;
}

/** Arguments of a program that runs `script` on a machine of its own. */
export function onMachine(directory: string, script: string): [string, string[]] {
  return ["unshare", ["--mount", "--propagation", "private", "sh", "-ec", `DIR=${directory}\nexport DIR\n${MACHINE}${script}`]];
}

export class Example implements AsyncDisposable {
  readonly #topology: Topology;
  readonly #directory: string;
  readonly #daemon: Running;

  private constructor(topology: Topology, directory: string, daemon: Running) {
    this.#topology = topology;
    this.#directory = directory;
    this.#daemon = daemon;
  }

  /** The example of that name. Waits until the daemon is ready. */
  static async start(topology: Topology, name: string, setup: Setup = {}): Promise<Example> {
    let text = await readFile(join(CONFIGS, `${name}.yaml`), "utf8");
    for (const [from, to] of setup.change ?? []) {
      expect(text.split(from), `"${from}" in ${name}.yaml`).toHaveLength(2);
      text = text.replace(from, () => to);
    }
    return Example.run(topology, text, setup);
  }

  /** Any configuration. */
  static async run(topology: Topology, text: string, { machine = "", files }: Omit<Setup, "change"> = {}): Promise<Example> {
    const directory = await machineDirectory(files);
    await writeFile(join(directory, "proxygw.yaml"), text);
    const script = `${machine}\nexec ${BUILD}/proxygw --config "$DIR/proxygw.yaml" 2>"$DIR/log"`;
    const daemon = topology.start("gateway", ...onMachine(directory, script));
    const example = new Example(topology, directory, daemon);
    let ended: string | undefined;
    void daemon.ended.then(({ exitCode, stderr }) => {
      ended = `exit ${String(exitCode)}: ${stderr}`;
    });
    await until("the daemon is ready", async () => {
      const log = await example.log();
      if (ended !== undefined) throw new Error(`it ended before it was ready: ${ended}${log}`);
      return /msg=ready/.test(log);
    });
    return example;
  }

  log(): Promise<string> {
    return readFile(join(this.#directory, "log"), "utf8").catch(() => "");
  }

  file(name: string): string {
    return join(this.#directory, name);
  }

  /** Runs a program on the machine, beside the daemon. */
  exec(file: string, ...args: string[]): Promise<Ran> {
    return this.#topology.run("gateway", "nsenter", "--mount", "--target", String(this.#daemon.pid), file, ...args);
  }

  control(...args: string[]): Promise<Ran> {
    return this.exec(join(BUILD, "proxygwctl"), "--config", this.file("proxygw.yaml"), ...args);
  }

  async target(): Promise<TargetStatus> {
    const socket = `/proc/${String(this.#daemon.pid)}/root/run/proxygw.sock`;
    const question = { method: Method.statusRequest, body: {}, timeoutMs: paced(10_000) };
    const { targets = [] } = (await ask(
      { socket, codec: "json" },
      question,
      systemClock,
      new AbortController().signal,
    )) as Status;
    const [target] = targets;
    if (target === undefined || targets.length > 1) throw new Error("an example has one target");
    return target;
  }

  async becomes(state: string): Promise<void> {
    await until(`the target is ${state}`, async () => (await this.target()).state === state);
  }

  /** Stops the service as an operator does: refused while a flow is alive. */
  async drain(): Promise<void> {
    const { name } = await this.target();
    await until("nobody uses the target any more", async () => (await this.control("drain", name)).exitCode === 0);
    await this.becomes("inactive");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#daemon.kill("SIGTERM");
    await this.#daemon.ended;
  }
}
