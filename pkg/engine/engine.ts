/**
 * Package engine: the targets and frontends of one configuration.
 *
 * Owns the order of life and death: dataplane, plugins, targets, frontends; and back. Must not know any kind, nor how
 * packets are moved.
 */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../clock/clock.ts";
import type { Config, Ending } from "../config/types.ts";
import type { Needs } from "../dataplane/dataplane.ts";
import { collected, Fault, messageOf } from "../fault/fault.ts";
import type { Frontend } from "../frontend/frontend.ts";
import type { Log } from "../log/log.ts";
import type { EngineApi, EngineEvent, FlowStatus, FrontendStatus, ReloadReport, Status, StatusQuery } from "../plugin/plugin.ts";
import { PluginLife } from "../plugin/plugin-life.ts";
import { Serial } from "../serial/serial.ts";
import type { Target } from "../target/target.ts";
import { applyReload, planReload } from "./reload.ts";
import { needsRestart } from "./difference.ts";
import { transactionListener } from "./event-sources.ts";
import { Events } from "./events.ts";
import { type ResourceOptions, Resources } from "./resources.ts";
import { frontendStatus, targetStatus } from "./status.ts";
import { FlowOwners, flowStatus, TrafficView } from "./traffic.ts";
import { formerDirectories, type FormerTarget, removeTargetsDirectory } from "./target-directory.ts";

/** On the scale of log.level. */
const DEBUG = -4;
/** 10.0.0.9 before 10.0.0.10. */
const COLLATOR = new Intl.Collator("en", { numeric: true });

export interface EngineOptions extends Omit<ResourceOptions, "runtimeDir" | "events"> {
  readonly config: Config;
  readonly needs: Needs;
  /** What a plugin asks for with reload(): reads the file again, and gives it to apply(). */
  readonly reload: () => Promise<ReloadReport>;
  /** Whoever ends it may want another ending than `on_shutdown`: asked at the end. Undefined is none. */
  readonly ending?: () => Ending | undefined;
}

export class Engine implements EngineApi {
  readonly log: Log;
  readonly clock: Clock;
  /** The one in force. */
  config: Config;
  readonly #options: EngineOptions;
  readonly #resources: Resources;
  readonly #events: Events;
  /** start(), apply() and close(). */
  readonly #serial = new Serial();
  /** Nobody waits for these but close(). */
  readonly #background: Promise<void>[] = [];
  /** What undoes start(), to be done last one first. */
  readonly #releases: (() => Promise<void>)[] = [];
  #isUp = false;
  #ending: Ending = "keep";
  #closing: Promise<void> | undefined;

  /** Does nothing; start() acquires. */
  constructor(options: EngineOptions) {
    this.#options = options;
    this.log = options.log;
    this.clock = options.clock;
    this.config = options.config;
    this.#events = new Events(options.clock, options.log);
    this.#resources = new Resources({ ...options, runtimeDir: options.config.runtimeDir, events: this.#events });
  }

  /**
   * Brings everything up. A frontend that can't be started is left stopped with its error, so that one service's trouble
   * is not everybody's; anything else that fails ends it all. Services that run already, from a daemon that is no more, are then
   * left as they were found. @throws what failed; nothing is left behind then
   */
  start(signal: AbortSignal): Promise<void> {
    return this.#serial.run(async () => {
      try {
        await this.#start(signal);
      } catch (error) {
        if (this.#isUp) this.#ending = this.ending;
        else this.#abandon();
        this.#isUp = false;
        const failure = await this.#release().then(
          () => undefined,
          (each: unknown) => each,
        );
        throw collected(failure === undefined ? [error] : [error, failure], "") as Error;
      }
    });
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { dataplane, needs, registry, log } = this.#options;
    const { config } = this;
    const { targets } = this.#resources;
    this.#releases.push(() => dataplane.close(this.#ending));
    dataplane.onTransaction(transactionListener(this.#events));
    await dataplane.start(needs, signal);
    for (const registration of registry.registrations) {
      signal.throwIfAborted();
      const life = new PluginLife(registration, this.clock, this.log);
      await life.load(config.plugins.get(registration.namespace), this);
      this.#releases.push(() => life.unload());
    }
    const former = await formerDirectories(config.runtimeDir, log);
    this.#releases.push(() => this.#closeTargets([...targets.values()]));
    for (const each of config.targets) targets.set(each.name, this.#resources.newTarget(each));
    // what has another kind by now is not to start beside its former service, which is left alone should this start fail
    let settle: () => void = () => undefined;
    const isSettled = new Promise<void>((resolve) => (settle = resolve));
    this.#stopFormer(former, (name) => targets.has(name), isSettled);
    try {
      const [starts] = await this.#bringUp(former);
      settle();
      await starts;
    } finally {
      settle();
    }
    signal.throwIfAborted();
    this.#stopFormer(former, (name) => !targets.has(name), isSettled);
  }

  /** Returns when all that is configured is in force, with what frontends are still about. */
  async #bringUp(former: ReadonlyMap<string, FormerTarget | undefined>): Promise<readonly [starts: Promise<unknown>]> {
    const { targets, frontends } = this.#resources;
    this.#releases.push(() => closeAll([...frontends.values()], this.#ending, "frontends"));
    for (const each of this.config.frontends)
      frontends.set(each.name, this.#resources.newFrontend(each, this.#resources.target(each.target)));
    await Promise.all([...targets.values()].map((each) => each.open(this.#isFound(each, former))));
    for (const each of frontends.values()) each.open();
    // a frontend that fails keeps and logs its error; of those that do not, thousands of lines would tell no more than "ready" does
    const starts = Promise.allSettled([...frontends.values()].map((each) => each.start("configured", "debug")));
    // they have all asked for their mappings then, which commit() brings
    await new Promise((resolve) => setImmediate(resolve));
    await this.#options.dataplane.commit();
    this.#isUp = true;
    return [starts];
  }

  /** What waits for commit() would wait for ever. That their services go on, targets are to know before they hear of it. */
  #abandon(): void {
    const closing = [...this.#resources.targets.values()].map((target) => target.close("keep"));
    void Promise.allSettled([...closing, this.#options.dataplane.close("keep")]);
  }

  /** Whether a former daemon may have started the service of `target`, in a way that its kind finds again. */
  #isFound(target: Target, former: ReadonlyMap<string, FormerTarget | undefined>): boolean {
    if (former.size === 0) return false;
    const { path } = this.#resources.directory(target.name);
    const record = former.get(path);
    return former.has(path) && (record === undefined || isDeepStrictEqual(record.kind, target.config.kind));
  }

  /**
   * Of a daemon that is no more: what is not configured any more, of the targets that `which` takes; when `isSettled`, and only if all is
   * in force then. Failures are logged; nobody waits for it but close(), and the first start of a target of the same name.
   */
  #stopFormer(
    former: ReadonlyMap<string, FormerTarget | undefined>,
    which: (name: string) => boolean,
    isSettled: Promise<void>,
  ): void {
    for (const record of former.values()) {
      if (record === undefined || !which(record.name)) continue;
      const target = this.#resources.targets.get(record.name);
      if (target !== undefined && this.#isFound(target, former)) continue;
      const stop = (): Promise<void> => (this.#isUp ? this.#resources.stopFormer(record) : Promise.resolve());
      const stopped = isSettled.then(stop).catch((error: unknown) => {
        this.log.error("could not stop a service that is not configured any more", {
          target: record.name,
          error: messageOf(error),
        });
      });
      this.#background.push(stopped);
      this.#resources.startAfter(record.name, stopped);
    }
  }

  /**
   * Brings the engine to another configuration: what did not change is not touched, and of what did as little as can be. One after
   * another, and after start().
   * @throws Fault RELOAD_NEEDS_RESTART, or of the dataplane when the system can't be prepared; nothing changed then
   */
  apply(config: Config, needs: Needs): Promise<ReloadReport> {
    return this.#serial.run(async () => {
      if (!this.#isUp || this.#closing !== undefined) throw new Fault("ENGINE_CLOSED", "the daemon is starting or stopping");
      const fields = needsRestart(this.config, config);
      if (fields.length > 0) {
        const message = `${fields.join(", ")} cannot change while the daemon runs: nothing was changed; restart it to take that over`;
        throw new Fault("RELOAD_NEEDS_RESTART", message);
      }
      // a service of a former configuration that is being stopped may have the name of one that is to come
      await Promise.all(this.#background);
      const plan = planReload(this.#resources, this.config, config);
      await this.#options.dataplane.adapt(needs);
      const report = await applyReload(this.#resources, plan, this.log);
      this.config = config;
      return report;
    });
  }

  /** How close() would end it now. */
  get ending(): Ending {
    return this.#options.ending?.() ?? this.config.onShutdown;
  }

  /**
   * Frontends, targets, plugins, dataplane; as `ending` has it. Idempotent. @throws AggregateError of what failed; all is
   * closed all the same
   */
  close(): Promise<void> {
    this.#closing ??= this.#serial.run(() => this.#close());
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ending = this.ending;
    await this.#release();
  }

  async #release(): Promise<void> {
    const failures: unknown[] = [];
    for (const release of this.#releases.splice(0).reverse()) {
      await release().catch((error: unknown) => {
        this.log.error("could not close cleanly", { error: messageOf(error) });
        failures.push(error);
      });
    }
    const failure = collected(failures, "not everything could be closed cleanly");
    if (failure !== undefined) throw failure as Error;
  }

  async #closeTargets(targets: readonly Target[]): Promise<void> {
    await Promise.all(this.#background);
    try {
      await closeAll(targets, this.#ending, "targets");
    } finally {
      if (this.#ending === "stop") {
        await Promise.all(targets.map(({ name }) => this.#resources.directory(name).remove()));
        await removeTargetsDirectory(this.config.runtimeDir);
      }
    }
  }

  /** How many there are, and how many of them are up. */
  summary(): { targets: number; active: number; frontends: number; running: number } {
    const targets = [...this.#resources.targets.values()];
    const frontends = [...this.#resources.frontends.values()];
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

  /** To be called now and then: tells those who want to know what gates turned away since the last time. Failures are logged. */
  async reportGates(): Promise<void> {
    // costs a question to the kernel for each gate
    if (!this.#events.isHeard && this.config.log.level > DEBUG) return;
    const results = await Promise.allSettled([...this.#resources.frontends.values()].map((each) => each.reportGates()));
    for (const result of results) {
      if (result.status === "rejected")
        this.log.debug("could not read what gates turned away", { error: messageOf(result.reason) });
    }
  }

  async status({ names, traffic: isAsked = false }: StatusQuery = {}): Promise<Status> {
    // an unknown name is told before anybody is asked
    this.#resources.named(names);
    const traffic = isAsked ? await this.#traffic() : undefined;
    const found = this.#resources.named(names);
    const targets = found.targets.map((target) => targetStatus(target, this.clock, traffic));
    const frontends: FrontendStatus[] = [];
    // one after another: what thousands at once are waiting for, the collector of garbage would have to move about
    for (const frontend of found.frontends) frontends.push(await frontendStatus(frontend, traffic));
    return {
      closed: this.#closing !== undefined,
      ...(targets.length > 0 ? { targets } : {}),
      ...(frontends.length > 0 ? { frontends } : {}),
    };
  }

  async #traffic(): Promise<TrafficView> {
    const { dataplane } = this.#options;
    const owners = new FlowOwners(this.#resources);
    const flows = new Map<Target | Frontend, number>();
    const [counted] = await Promise.all([
      dataplane.traffic(),
      dataplane.eachFlow((flow) => {
        for (const { target, frontend } of owners.of(flow))
          for (const each of [target, frontend]) if (each !== undefined) flows.set(each, (flows.get(each) ?? 0) + 1);
      }),
    ]);
    return new TrafficView(counted, flows);
  }

  async flows(target?: string): Promise<FlowStatus[]> {
    if (target !== undefined) this.#resources.target(target);
    const owners = new FlowOwners(this.#resources);
    const flows: FlowStatus[] = [];
    await this.#options.dataplane.eachFlow((flow) => {
      for (const owner of owners.of(flow))
        if (target === undefined || owner.target.name === target) flows.push(flowStatus(flow, owner));
    });
    const order = new Map([...this.#resources.targets.keys()].map((name, at) => [name, at]));
    const place = (flow: FlowStatus): number => order.get(flow.target) ?? 0;
    return flows.sort((one, other) => place(one) - place(other) || COLLATOR.compare(one.source, other.source));
  }

  onEvent(listener: (event: EngineEvent) => void): () => void {
    return this.#events.on(listener);
  }

  async warmTarget(name: string, reason: string): Promise<void> {
    await this.#resources.target(name).warm({ reason });
  }

  async drainTarget(name: string, reason: string, force: boolean): Promise<void> {
    await this.#resources.target(name).drain(reason, force);
  }

  async reload(): Promise<ReloadReport> {
    try {
      const report = await this.#options.reload();
      this.#events.emit(() => ({ type: "reload", report }));
      return report;
    } catch (error) {
      this.#events.emit(() => ({ type: "reload", error: messageOf(error) }));
      throw error;
    }
  }

  async startFrontend(name: string): Promise<void> {
    await this.#resources.frontend(name).start("asked to");
  }

  async stopFrontend(name: string): Promise<void> {
    await this.#resources.frontend(name).stop("asked to");
  }
}

/** All at once, since stopping a service may take seconds; begun in reverse order. */
async function closeAll(resources: readonly { close(how: Ending): Promise<void> }[], how: Ending, what: string): Promise<void> {
  const results = await Promise.allSettled([...resources].reverse().map((each) => each.close(how)));
  const failures = results.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
  const failure = collected(failures, `some ${what} could not be closed cleanly`);
  if (failure !== undefined) throw failure as Error;
}
