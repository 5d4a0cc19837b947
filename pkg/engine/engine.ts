/**
 * Package engine: the targets and frontends of one configuration.
 *
 * Owns the order of life and death: dataplane, plugins, targets, frontends; and back. Must not know any kind, nor how
 * packets are moved.
 */
import { createHash } from "node:crypto";
import { mkdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../clock/clock.ts";
import type { Config, FrontendConfig, TargetConfig } from "../config/types.ts";
import type { Dataplane, Needs } from "../dataplane/dataplane.ts";
import { collected, Fault, messageOf } from "../fault/fault.ts";
import { Frontend } from "../frontend/frontend.ts";
import type { Log } from "../log/log.ts";
import type { EngineApi, Status } from "../plugin/plugin.ts";
import type { Registry } from "../plugin/registry.ts";
import type { CommandRunner, ToolRunner } from "../process/process.ts";
import { untilReady } from "../readiness/readiness.ts";
import { Target } from "../target/target.ts";
import { frontendStatus, targetStatus } from "./status.ts";

export interface EngineOptions {
  readonly config: Config;
  readonly needs: Needs;
  readonly registry: Registry;
  readonly dataplane: Dataplane;
  readonly clock: Clock;
  readonly log: Log;
  readonly commands: CommandRunner;
  readonly tools: ToolRunner;
}

export class Engine implements EngineApi {
  readonly log: Log;
  readonly clock: Clock;
  readonly #options: EngineOptions;
  readonly #targets = new Map<string, Target>();
  readonly #frontends = new Map<string, Frontend>();
  /** Of the targets. */
  readonly #directories: string[] = [];
  /** What undoes start(), to be done last one first. */
  readonly #releases: (() => Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  /** Does nothing; start() acquires. */
  constructor(options: EngineOptions) {
    this.#options = options;
    this.log = options.log;
    this.clock = options.clock;
  }

  /**
   * Brings everything up. A frontend that can't be started is left stopped with its error, so that one service's trouble
   * is not everybody's; anything else that fails ends it all. @throws what failed; nothing is left behind then
   */
  async start(signal: AbortSignal): Promise<void> {
    try {
      await this.#start(signal);
    } catch (error) {
      const closeError = await this.close().then(
        () => undefined,
        (each: unknown) => each,
      );
      throw collected(closeError === undefined ? [error] : [error, closeError], "") as Error;
    }
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { config, dataplane, needs, registry } = this.#options;
    this.#releases.push(() => dataplane.close());
    await dataplane.start(needs, signal);
    for (const { plugin, namespace } of registry.registrations) {
      signal.throwIfAborted();
      await plugin.onLoad?.(config.plugins.get(namespace) as undefined, this, namespace);
      this.#releases.push(async () => plugin.onUnload?.());
    }
    this.#releases.push(() => removeEmpty([...this.#directories, join(config.runtimeDir, "targets")]));
    this.#releases.push(() => closeAll([...this.#targets.values()], "targets"));
    await Promise.all(config.targets.map((each) => this.#createTarget(each)));
    this.#releases.push(() => closeAll([...this.#frontends.values()], "frontends"));
    for (const each of config.frontends) this.#createFrontend(each);
    signal.throwIfAborted();
    // a frontend that fails keeps and logs its error
    await Promise.allSettled([...this.#frontends.values()].map((each) => each.start("configured")));
    signal.throwIfAborted();
  }

  async #createTarget(config: TargetConfig): Promise<void> {
    const kind = this.#options.registry.targetKind(config.kind.namespace, config.kind.name);
    if (kind === undefined)
      throw new Fault("KIND_UNKNOWN", `there is no target kind "${config.kind.namespace}:${config.kind.name}"`);
    const { clock, dataplane, commands, tools, config: whole } = this.#options;
    const log = this.log.with({ target: config.name });
    const directory = join(whole.runtimeDir, "targets", directoryName(config.name));
    await mkdir(directory, { recursive: true, mode: 0o700 });
    this.#directories.push(directory);
    const target = new Target({
      config,
      dataplane,
      clock,
      log,
      untilReady: (signal) => untilReady({ config: config.ready, endpoints: config.endpoints, clock, tools }, signal),
      createHandler: (died) =>
        kind.create({
          name: config.name,
          endpoints: config.endpoints,
          options: config.options,
          log,
          clock,
          commands,
          directory,
          died,
        }),
    });
    await target.open();
    this.#targets.set(config.name, target);
  }

  #createFrontend(config: FrontendConfig): void {
    const kind = this.#options.registry.frontendKind(config.kind.namespace, config.kind.name);
    if (kind === undefined)
      throw new Fault("KIND_UNKNOWN", `there is no frontend kind "${config.kind.namespace}:${config.kind.name}"`);
    const { name, protocol, options, routes } = config;
    const { clock } = this.#options;
    const log = this.log.with({ frontend: name });
    const listen = routes.map((route) => route.listen);
    const frontend = new Frontend({
      config,
      target: this.#target(config.target),
      clock,
      log,
      createHandler: (target) => kind.create({ name, protocol, listen, options, log, clock, target }),
    });
    frontend.open();
    this.#frontends.set(name, frontend);
  }

  /** Frontends, targets, plugins, dataplane. Idempotent. @throws AggregateError of what failed; all is closed all the same */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const failures: unknown[] = [];
    for (const release of this.#releases.reverse()) {
      await release().catch((error: unknown) => {
        this.log.error("could not close cleanly", { error: messageOf(error) });
        failures.push(error);
      });
    }
    const failure = collected(failures, "not everything could be closed cleanly");
    if (failure !== undefined) throw failure as Error;
  }

  /** How many there are, and how many of them are up. */
  summary(): { targets: number; active: number; frontends: number; running: number } {
    const targets = [...this.#targets.values()];
    const frontends = [...this.#frontends.values()];
    return {
      targets: targets.length,
      active: targets.filter(({ state }) => state === "active").length,
      frontends: frontends.length,
      running: frontends.filter(({ state }) => state === "running").length,
    };
  }

  /** To be called now and then: puts right what others did to the packet path. Failures are logged. */
  async verify(): Promise<void> {
    await this.#options.dataplane.verify().catch((error: unknown) => {
      this.log.error("could not look after the packet path", { error: messageOf(error) });
    });
  }

  /** Tells, at debug level, what gates turned away since the last time. Failures are logged. */
  async reportGates(): Promise<void> {
    const results = await Promise.allSettled([...this.#frontends.values()].map((each) => each.reportGates()));
    for (const result of results) {
      if (result.status === "rejected")
        this.log.debug("could not read what gates turned away", { error: messageOf(result.reason) });
    }
  }

  async status(): Promise<Status> {
    const targets = [...this.#targets.values()].map(targetStatus);
    const frontends = await Promise.all([...this.#frontends.values()].map(frontendStatus));
    return {
      closed: this.#closing !== undefined,
      ...(targets.length > 0 ? { targets } : {}),
      ...(frontends.length > 0 ? { frontends } : {}),
    };
  }

  async warmTarget(name: string, reason: string): Promise<void> {
    await this.#target(name).warm({ reason });
  }

  async drainTarget(name: string, reason: string, force: boolean): Promise<void> {
    await this.#target(name).drain(reason, force);
  }

  async startFrontend(name: string): Promise<void> {
    await this.#frontend(name).start("asked to");
  }

  async stopFrontend(name: string): Promise<void> {
    await this.#frontend(name).stop("asked to");
  }

  #target(name: string): Target {
    const target = this.#targets.get(name);
    if (target === undefined) throw new Fault("TARGET_UNKNOWN", `there is no target "${name}"${known(this.#targets)}`);
    return target;
  }

  #frontend(name: string): Frontend {
    const frontend = this.#frontends.get(name);
    if (frontend === undefined) throw new Fault("FRONTEND_UNKNOWN", `there is no frontend "${name}"${known(this.#frontends)}`);
    return frontend;
  }
}

/** At most so many names are worth reading in an error. */
const NAMES_SHOWN = 10;

function known(resources: ReadonlyMap<string, unknown>): string {
  if (resources.size === 0) return ": none is configured";
  const names = [...resources.keys()].slice(0, NAMES_SHOWN).map((name) => `"${name}"`);
  return `; there is ${names.join(", ")}${resources.size > NAMES_SHOWN ? ", …" : ""}`;
}

/** All at once, since stopping a service may take seconds; begun in reverse order. */
async function closeAll(resources: readonly { close(): Promise<void> }[], what: string): Promise<void> {
  const results = await Promise.allSettled([...resources].reverse().map((each) => each.close()));
  const failures = results.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
  const failure = collected(failures, `some ${what} could not be closed cleanly`);
  if (failure !== undefined) throw failure as Error;
}

/** What a handler left in one is there for a reason. */
async function removeEmpty(directories: readonly string[]): Promise<void> {
  for (const directory of directories) await rmdir(directory).catch(() => undefined);
}

/** A file name for any target name. */
function directoryName(name: string): string {
  return /^[\w-]{1,100}$/.test(name) ? name : `.${createHash("sha256").update(name).digest("hex").slice(0, 32)}`;
}
