/** The built programs, started on the gateway of a topology. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { ask } from "../../cmd/proxygwctl/client.ts";
import { systemClock } from "../../pkg/clock/clock.ts";
import { Method } from "../../pkg/ctl/method.ts";
import type { FrontendStatus, Status, TargetStatus } from "../../pkg/plugin/plugin.ts";
import { paced } from "../pace.ts";
import type { Ran, Running, Topology } from "./topology.ts";

const PROGRAM = resolve(import.meta.dirname, "../../build/proxygw");
const CONTROL = resolve(import.meta.dirname, "../../build/proxygwctl");

/** A daemon with its files in a directory of its own. */
export class Daemon implements AsyncDisposable {
  readonly directory: string;
  /** Runs the daemon, such as `setpriv` with its options. */
  through: readonly string[] = [];
  readonly #topology: Topology;
  #child: Running | undefined;

  private constructor(topology: Topology, directory: string) {
    this.#topology = topology;
    this.directory = directory;
  }

  /** Its files only; the program is not started. */
  static async prepare(topology: Topology, config: Record<string, unknown>, logLevel = "DEBUG"): Promise<Daemon> {
    const daemon = new Daemon(topology, await mkdtemp(join(tmpdir(), "proxygw-e2e-")));
    await daemon.configure(config, logLevel);
    return daemon;
  }

  /** Waits until it says that it is ready. */
  static async start(topology: Topology, config: Record<string, unknown>, logLevel = "DEBUG"): Promise<Daemon> {
    const daemon = await Daemon.prepare(topology, config, logLevel);
    await daemon.restart();
    return daemon;
  }

  /** From where the daemon's user may run it. */
  program = PROGRAM;

  async configure(config: Record<string, unknown>, logLevel = "DEBUG"): Promise<void> {
    const whole = {
      version: "v1",
      runtime_dir: join(this.directory, "run"),
      plugins: { ctl: { socket: join(this.directory, "ctl.sock"), codec: "json" } },
      ...config,
      log: { output: join(this.directory, "log"), level: logLevel, format: "json", ...(config["log"] as object | undefined) },
    };
    await writeFile(this.configFile, stringify(whole));
  }

  get configFile(): string {
    return join(this.directory, "proxygw.yaml");
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async restart(): Promise<void> {
    const lines = (await this.log()).filter(({ msg }) => msg === "ready").length;
    const [wrapper = this.program, ...rest] = this.through;
    const args = [...rest, ...(this.through.length > 0 ? [this.program] : []), "--config", this.configFile];
    const child = this.#topology.start("gateway", wrapper, args);
    this.#child = child;
    let ended: string | undefined;
    void child.ended.then((result) => {
      ended = `exit ${String(result.exitCode)}: ${result.stderr}`;
    });
    await until("the daemon is ready", async () => {
      if (ended !== undefined) throw new Error(`the daemon ended before it was ready: ${ended}`);
      return (await this.log()).filter(({ msg }) => msg === "ready").length > lines;
    });
  }

  /** A start that is to fail: how it ended. */
  attempt(): Promise<Ran> {
    return this.#topology.run("gateway", "env", ...this.through, this.program, "--config", this.configFile);
  }

  /** How the present run ends. */
  async ended(): Promise<Ran> {
    if (this.#child === undefined) throw new Error("the daemon does not run");
    return this.#child.ended;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Sends a signal and waits for the end; gives the exit status. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | undefined> {
    if (this.#child === undefined) return undefined;
    this.#child.kill(signal);
    const { exitCode } = await this.#child.ended;
    this.#child = undefined;
    return exitCode;
  }

  control(...args: string[]): Promise<Ran> {
    return this.#topology.run("gateway", CONTROL, "--config", this.configFile, ...args);
  }

  /** Asks over the control socket, as proxygwctl does. @throws Fault DAEMON_REFUSED and others */
  ask(method: number, body: unknown = {}, timeoutMs = paced(10_000)): Promise<unknown> {
    const socket = join(this.directory, "ctl.sock");
    return ask({ socket, codec: "json" }, { method, body, timeoutMs }, systemClock, new AbortController().signal);
  }

  async drain(name = "backend"): Promise<void> {
    await this.ask(Method.drainTargetRequest, { name, force: true });
  }

  async status(): Promise<Required<Status>> {
    return { targets: [], frontends: [], ...((await this.ask(Method.statusRequest)) as Status) };
  }

  async target(name = "backend"): Promise<TargetStatus | undefined> {
    return (await this.status()).targets.find((each) => each.name === name);
  }

  async frontend(name = "front"): Promise<FrontendStatus | undefined> {
    return (await this.status()).frontends.find((each) => each.name === name);
  }

  async targetState(name = "backend"): Promise<string | undefined> {
    return (await this.target(name))?.state;
  }

  /** How often a target has gone into a state. */
  async times(state: string, name = "backend"): Promise<number> {
    return (await this.log()).filter((line) => line["target"] === name && line["to"] === state).length;
  }

  async log(): Promise<Record<string, unknown>[]> {
    const text = await readFile(join(this.directory, "log"), "utf8").catch(() => "");
    // what follows the last end of a line is being written
    const lines = text.split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Asks every 20 ms until it is so. @throws after `timeoutMs` (more on a slow machine), naming `what` */
export async function until(what: string, condition: () => Promise<boolean> | boolean, timeoutMs = 15_000): Promise<void> {
  const end = performance.now() + paced(timeoutMs);
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${String(timeoutMs)} ms: ${what}`);
    await new Promise((wake) => setTimeout(wake, 20));
  }
}
