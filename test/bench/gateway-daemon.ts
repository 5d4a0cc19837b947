/** The built daemon on the gateway of a topology, as the measurements need it: its start to the millisecond, and its log unread. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { Daemon } from "../e2e/daemon.ts";
import type { Topology } from "../e2e/topology.ts";

const READY_MS = 120_000;
const LOOK_MS = 5;
const READY = /"msg":"ready"/;

export class GatewayDaemon implements AsyncDisposable {
  readonly #files: Daemon;
  readonly #child: ChildProcess;
  /** From the spawn to the line that says so. */
  readonly readyMs: number;

  private constructor(files: Daemon, child: ChildProcess, readyMs: number) {
    this.#files = files;
    this.#child = child;
    this.readyMs = readyMs;
  }

  static async start(topology: Topology, config: Record<string, unknown>, node: readonly string[] = []): Promise<GatewayDaemon> {
    const files = await Daemon.prepare(topology, config, "INFO");
    const begun = performance.now();
    const args = ["netns", "exec", topology.namespace("gateway"), ...(node.length > 0 ? ["node", ...node] : [])];
    const child = spawn("ip", [...args, files.program, "--config", files.configFile], { stdio: ["ignore", "ignore", "inherit"] });
    const readyMs = await untilReady(child, join(files.directory, "log"), begun);
    return new GatewayDaemon(files, child, readyMs);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get directory(): string {
    return this.#files.directory;
  }

  /** Asks over the control socket. */
  ask(method: number, body?: unknown): Promise<unknown> {
    return this.#files.ask(method, body);
  }

  async targetState(name: string): Promise<string | undefined> {
    return this.#files.targetState(name);
  }

  log(): Promise<Record<string, unknown>[]> {
    return this.#files.log();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, "exit");
      this.#child.kill("SIGTERM");
      await ended;
    }
    await this.#files[Symbol.asyncDispose]();
  }
}

/** Looks at the end of the log only: at thousands of targets it is megabytes long. */
async function untilReady(child: ChildProcess, log: string, begun: number): Promise<number> {
  const end = Buffer.alloc(4096);
  let tail = "";
  while (!READY.test(tail)) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the daemon ended before it was ready: ${tail}`);
    if (performance.now() - begun > READY_MS) {
      child.kill("SIGKILL");
      throw new Error(`the daemon was not ready within ${String(READY_MS)} ms: ${tail}`);
    }
    await new Promise((wake) => setTimeout(wake, LOOK_MS));
    const file = await open(log).catch(() => undefined);
    if (file === undefined) continue;
    const { size } = await file.stat();
    const { bytesRead } = await file.read(end, 0, end.length, Math.max(0, size - end.length));
    await file.close();
    tail = end.toString("utf8", 0, bytesRead);
  }
  return performance.now() - begun;
}
