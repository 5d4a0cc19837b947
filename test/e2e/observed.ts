/** The engine on the gateway of a topology, and what it says: see observer.ts. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import type { EngineEvent, FlowStatus, Status, TrafficStatus } from "../../pkg/plugin/plugin.ts";
import type { Conversation, Topology } from "./topology.ts";

const OBSERVER = resolve(import.meta.dirname, "observer.ts");

interface Line {
  readonly event?: EngineEvent;
  readonly status?: Status;
  readonly flows?: FlowStatus[];
}

export class Observed implements AsyncDisposable {
  /** All that were told so far. */
  readonly events: EngineEvent[] = [];
  readonly #directory: string;
  readonly #process: Conversation;

  private constructor(directory: string, process: Conversation) {
    this.#directory = directory;
    this.#process = process;
  }

  static async start(topology: Topology, config: Record<string, unknown>): Promise<Observed> {
    const directory = await mkdtemp(join(tmpdir(), "proxygw-observed-"));
    const runtimeDir = join(directory, "run");
    await mkdir(runtimeDir);
    const file = join(directory, "proxygw.yaml");
    const log = { output: join(directory, "log"), level: "DEBUG" };
    await writeFile(file, stringify({ version: "v1", runtime_dir: runtimeDir, log, ...config }));
    const conversation = topology.converse("gateway", process.execPath, "--import", "tsx", OBSERVER, file);
    const observed = new Observed(directory, conversation);
    await observed.#answer();
    return observed;
  }

  /** Past events, which it keeps. */
  async #answer(): Promise<Line> {
    for (;;) {
      const line = JSON.parse(await this.#process.hear()) as Line;
      if (line.event === undefined) return line;
      this.events.push(line.event);
    }
  }

  async ask(line: string): Promise<Line> {
    this.#process.say(line);
    return this.#answer();
  }

  async traffic(target: string): Promise<TrafficStatus> {
    const traffic = (await this.ask("status")).status?.targets?.find(({ name }) => name === target)?.traffic;
    if (traffic === undefined) throw new Error(`no traffic of ${target}`);
    return traffic;
  }

  async flows(): Promise<FlowStatus[]> {
    return (await this.ask("flows")).flows ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.hangUp();
    // to the end, so that it leaves nothing behind
    await this.#answer().catch(() => undefined);
    await rm(this.#directory, { recursive: true, force: true });
  }
}
