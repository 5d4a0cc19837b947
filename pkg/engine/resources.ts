import type { Clock } from "../clock/clock.ts";
import type { FrontendConfig, TargetConfig } from "../config/types.ts";
import type { Dataplane } from "../dataplane/dataplane.ts";
import { Fault } from "../fault/fault.ts";
import { Frontend } from "../frontend/frontend.ts";
import type { Log } from "../log/log.ts";
import type { Registry } from "../plugin/registry.ts";
import type { CommandRunner, ToolRunner } from "../process/process.ts";
import { untilReady } from "../readiness/readiness.ts";
import { GuardedHandler } from "../target/guarded-handler.ts";
import { Target } from "../target/target.ts";
import { TargetHistory } from "../target/target-history.ts";
import type { Events } from "./events.ts";
import { frontendListener, targetListener } from "./event-sources.ts";
import { type FormerTarget, TargetDirectory, targetDirectoryPath } from "./target-directory.ts";

export interface ResourceOptions {
  readonly runtimeDir: string;
  readonly registry: Registry;
  readonly dataplane: Dataplane;
  readonly clock: Clock;
  readonly log: Log;
  readonly commands: CommandRunner;
  readonly tools: ToolRunner;
  readonly events: Events;
}

/** The targets and frontends that there are, by name, and how they are made. */
export class Resources {
  readonly targets = new Map<string, Target>();
  readonly frontends = new Map<string, Frontend>();
  readonly #options: ResourceOptions;
  /** By name, since the daemon's start. */
  readonly #histories = new Map<string, TargetHistory>();
  /** By name: what a target's start waits for. */
  readonly #formerGone = new Map<string, Promise<void>>();

  constructor(options: ResourceOptions) {
    this.#options = options;
  }

  /** Not open, and not in `targets` yet. @throws Fault KIND_UNKNOWN */
  newTarget(config: TargetConfig): Target {
    const { clock, dataplane, commands, tools, registry, events } = this.#options;
    const kind = registry.targetKind(config.kind.namespace, config.kind.name);
    if (kind === undefined)
      throw new Fault("KIND_UNKNOWN", `there is no target kind "${config.kind.namespace}:${config.kind.name}"`);
    const log = this.#options.log.with({ target: config.name });
    // made when it is needed: of thousands of targets, few are ever started
    let directory: TargetDirectory | undefined;
    const history = this.#histories.get(config.name) ?? new TargetHistory();
    this.#histories.set(config.name, history);
    const target: Target = new Target({
      config,
      dataplane,
      clock,
      log,
      history,
      moved: targetListener(events, config.name),
      prepare: async () => {
        await this.#formerGone.get(config.name);
        directory ??= this.directory(config.name);
        if (kind.startsService) await directory.prepare(target.config);
      },
      untilReady: (ready, signal) => untilReady({ config: ready, endpoints: config.endpoints, clock, tools }, signal),
      createHandler: (died) =>
        kind.create({
          name: config.name,
          endpoints: config.endpoints,
          options: config.options,
          log,
          clock,
          commands,
          directory: targetDirectoryPath(this.#options.runtimeDir, config.name),
          died,
        }),
    });
    return target;
  }

  /** Not open, and not in `frontends` yet. @throws Fault KIND_UNKNOWN */
  newFrontend(config: FrontendConfig, target: Target): Frontend {
    const { clock, registry, events } = this.#options;
    const kind = registry.frontendKind(config.kind.namespace, config.kind.name);
    if (kind === undefined)
      throw new Fault("KIND_UNKNOWN", `there is no frontend kind "${config.kind.namespace}:${config.kind.name}"`);
    const { name, protocol, options, routes } = config;
    const log = this.#options.log.with({ frontend: name });
    const listen = routes.map((route) => route.listen);
    return new Frontend({
      config,
      target,
      clock,
      log,
      listener: frontendListener(events, name, config.target),
      createHandler: (view) => kind.create({ name, protocol, listen, options, log, clock, target: view }),
    });
  }

  directory(target: string): TargetDirectory {
    return new TargetDirectory(this.#options.runtimeDir, target, this.#options.log.with({ target }));
  }

  /** No service of this name is started before `gone`, which never rejects. */
  startAfter(name: string, gone: Promise<void>): void {
    this.#formerGone.set(name, gone);
    void gone.then(() => this.#formerGone.delete(name));
  }

  /** Stops the service of a target that a daemon which is no more had, if it still runs. @throws why it can't be stopped */
  async stopFormer(former: FormerTarget): Promise<void> {
    const { clock, commands, registry } = this.#options;
    const log = this.#options.log.with({ target: former.name });
    const { namespace, name } = former.kind;
    const kind = registry.targetKind(namespace, name);
    if (kind === undefined) {
      log.warn("a service of a former configuration may still run, and nobody here knows its kind", {
        kind: `${namespace}:${name}`,
      });
      return;
    }
    const directory = this.directory(former.name);
    const handler = new GuardedHandler({
      ...former,
      readyTimeoutMs: () => 0,
      clock,
      log,
      create: (died) => kind.create({ ...former, log, clock, commands, directory: directory.path, died }),
      died: () => undefined,
    });
    if (await handler.adopt()) {
      log.warn("stopping a service that is not configured any more");
      await handler.drain();
    }
    await handler.close();
    await directory.remove();
  }

  /**
   * The targets and frontends of these names, and the frontends of those targets; without names, all. @throws Fault TARGET_UNKNOWN
   */
  named(names: readonly string[] | undefined): { readonly targets: readonly Target[]; readonly frontends: readonly Frontend[] } {
    if (names === undefined) return { targets: [...this.targets.values()], frontends: [...this.frontends.values()] };
    const wanted = new Set(names);
    for (const name of wanted) {
      if (this.targets.has(name) || this.frontends.has(name)) continue;
      const all = new Map<string, unknown>([...this.targets, ...this.frontends]);
      throw new Fault("TARGET_UNKNOWN", `there is no target and no frontend "${name}"${known(all)}`);
    }
    return {
      targets: [...this.targets.values()].filter(({ name }) => wanted.has(name)),
      frontends: [...this.frontends.values()].filter(({ name, target }) => wanted.has(name) || wanted.has(target.name)),
    };
  }

  /** @throws Fault TARGET_UNKNOWN */
  target(name: string): Target {
    const target = this.targets.get(name);
    if (target === undefined) throw new Fault("TARGET_UNKNOWN", `there is no target "${name}"${known(this.targets)}`);
    return target;
  }

  /** @throws Fault FRONTEND_UNKNOWN */
  frontend(name: string): Frontend {
    const frontend = this.frontends.get(name);
    if (frontend === undefined) throw new Fault("FRONTEND_UNKNOWN", `there is no frontend "${name}"${known(this.frontends)}`);
    return frontend;
  }
}

/** At most so many names are worth reading in an error. */
const NAMES_SHOWN = 10;

function known(resources: ReadonlyMap<string, unknown>): string {
  if (resources.size === 0) return ": none is configured";
  const names = [...resources.keys()].slice(0, NAMES_SHOWN).map((name) => `"${name}"`);
  return `; there ${names.length === 1 ? "is" : "are"} ${names.join(", ")}${resources.size > NAMES_SHOWN ? ", …" : ""}`;
}
