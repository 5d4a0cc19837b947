/** What faults have in their hands: the gateway with its daemon, and the configuration that it has by now. */
import { Method } from "../../pkg/ctl/method.ts";
import { type Daemon, until } from "../e2e/daemon.ts";
import type { FaultyTools } from "../e2e/faulty-tools.ts";
import type { Topology } from "../e2e/topology.ts";
import type { Random } from "./random.ts";
import type { Scenario, Variation } from "./scenario.ts";

const ANSWER_MS = 60_000;

export class Stage {
  readonly topology: Topology;
  readonly daemon: Daemon;
  readonly tools: FaultyTools;
  readonly scenario: Scenario;
  readonly random: Random;
  readonly #commands = new Map<string, number>();
  #round = 0;

  constructor(parts: Pick<Stage, "topology" | "daemon" | "tools" | "scenario" | "random">) {
    ({ topology: this.topology, daemon: this.daemon, tools: this.tools, scenario: this.scenario, random: this.random } = parts);
  }

  gateway(script: string): Promise<string> {
    return this.topology.shell("gateway", script);
  }

  /** Writes the file only. */
  configure(onShutdown: NonNullable<Variation["onShutdown"]> = "stop"): Promise<void> {
    const variation = { round: this.#round, onShutdown, commands: this.#commands };
    // the log and what the daemon keeps are on a disk of their own
    const disk = `${this.daemon.directory}/disk`;
    const config = { ...this.scenario.configuration(variation), runtime_dir: `${disk}/run`, log: { output: `${disk}/log` } };
    return this.daemon.configure(config, "INFO");
  }

  /** The next variation of what is nobody's concern, and another command of a target if one is given. */
  async reload(target?: string): Promise<void> {
    this.#round++;
    if (target !== undefined) this.#commands.set(target, this.#round);
    await this.configure();
    await this.takeOver();
  }

  async takeOver(): Promise<void> {
    const report = (await this.ask(Method.reloadRequest)) as Record<string, unknown>;
    if (report["failures"] !== undefined) throw new Error(`reload: ${JSON.stringify(report["failures"])}`);
  }

  /** As the daemon's ask(), for a machine that has much to do. */
  ask(method: number, body: unknown = {}): Promise<unknown> {
    return this.daemon.ask(method, body, ANSWER_MS);
  }

  pause(seconds: number): Promise<void> {
    return new Promise((wake) => setTimeout(wake, 1000 * seconds));
  }

  /** Processes of a target's service. */
  async service(target: string): Promise<number[]> {
    const port = Number(target.split("-")[1]) + 1000;
    const found = await this.topology.processes("gateway", "service.py");
    const own = await this.topology.processes("gateway", ` ${String(port)}`);
    return found.filter((pid) => own.includes(pid));
  }

  /** Until a shell command of the gateway's succeeds. @throws when that takes too long */
  repaired(what: string, test: string, withinMs: number): Promise<void> {
    return until(
      `${what} is put right`,
      async () => (await this.topology.run("gateway", "sh", "-c", test)).exitCode === 0,
      withinMs,
    );
  }
}
