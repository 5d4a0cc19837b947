/**
 * Package plugin: the contract between the program and its plugins.
 *
 * Owns the types a plugin is written against and the registry that finds kinds by `namespace:name`. Must not know any
 * plugin. A plugin is an object that its module exports as default; it is chosen at build time by plugin.yaml.
 */
import type { Clock } from "../clock/clock.ts";
import type { FrontendConfig, TargetConfig, WhenCold } from "../config/types.ts";
import type { FrontendContext, FrontendHandler } from "../frontend/handler.ts";
import type { Log } from "../log/log.ts";
import type { TargetContext, TargetHandler } from "../target/handler.ts";
import type { EngineEvent } from "./event.ts";
import type { Examination, Finding } from "./finding.ts";
import type { FlowStatus, Status, StatusQuery } from "./status.ts";

export type * from "./event.ts";
export type * from "./status.ts";

/** A JSON Schema (draft-07) as a plain object. */
export type Schema = Readonly<Record<string, unknown>>;

export interface TargetKind<Options = unknown> {
  /** One line for people: what it does. */
  readonly description: string;
  /** It starts a service, which then takes a while until it can be used: probed for readiness by default. */
  readonly startsService: boolean;
  /** Schema of `options`; unknown keys should be refused by it. */
  readonly options: Schema;
  /** Further checks at load, after the schema's. Returns what is wrong, with a path within `options`. No side effects. */
  check?(target: TargetConfig): OptionProblem[];
  /** For `proxygw doctor`: what on this machine would keep such a target from working. Changes nothing; has 3 s. */
  examine?(target: TargetConfig, examination: Examination): Promise<Finding[]>;
  /** No side effects. @throws: the target stays inactive, with this as its last_error; all others go on */
  create(context: TargetContext<Options>): TargetHandler;
}

export interface FrontendKind<Options = unknown> {
  readonly description: string;
  /** What happens to new flows while the target is not active. */
  readonly whenCold: WhenCold;
  readonly options: Schema;
  check?(frontend: FrontendConfig, target: TargetConfig): OptionProblem[];
  /** As of a target. */
  examine?(frontend: FrontendConfig, examination: Examination): Promise<Finding[]>;
  /** No side effects. @throws: the frontend stays stopped, with this as its last_error; all others go on */
  create(context: FrontendContext<Options>): FrontendHandler;
}

export interface OptionProblem {
  /** Keys that lead from the target, frontend or plugin's configuration to what is wrong, such as ["options", "command"] or ["listen"]. */
  readonly path: readonly (string | number)[];
  /** What is wrong and what would be accepted. */
  readonly message: string;
}

export interface Plugin<PluginConfig = unknown> {
  /** The name by which plugin.yaml asks for it: its folder under plugin/, or its npm package name. */
  readonly source: string;
  /** Schema of `plugins.<namespace>`; without one, the plugin takes no configuration. */
  readonly config?: Schema;
  /** Further checks of the configuration at load, after the schema's, with a path within it. No side effects. */
  check?(config: PluginConfig): OptionProblem[];
  readonly targets?: Readonly<Record<string, TargetKind<never>>>;
  readonly frontends?: Readonly<Record<string, FrontendKind<never>>>;
  /** For `proxygw doctor`, as of a target; `config`: what `plugins.<namespace>` holds, or undefined. */
  examine?(config: PluginConfig | undefined, examination: Examination): Promise<Finding[]>;
  /**
   * Called once, after the dataplane is up and before any target exists.
   * `config`: what `plugins.<namespace>` holds, or undefined. @throws: the daemon does not start, and says why; likewise
   * if it takes more than 30 s.
   */
  onLoad?(config: PluginConfig | undefined, engine: EngineApi, namespace: string): Promise<void> | void;
  /** Called once at the end, after all frontends and targets are closed; only if onLoad succeeded. Given up after 10 s, and logged. */
  onUnload?(): Promise<void> | void;
}

/** The engine as plugins see it. */
export interface EngineApi {
  readonly log: Log;
  readonly clock: Clock;
  /** @throws Fault TARGET_UNKNOWN: a name of `query` is no target's and no frontend's; of the dataplane */
  status(query?: StatusQuery): Promise<Status>;
  /** Flows that are alive, of one target or all, by target and client. @throws Fault TARGET_UNKNOWN, of the dataplane */
  flows(target?: string): Promise<FlowStatus[]>;
  /**
   * Calls `listener` with each event, in order and at once, until the returned function is called, or the plugin is unloaded. It
   * must not block; what it throws is logged.
   */
  onEvent(listener: (event: EngineEvent) => void): () => void;
  /** Warms, or waits for a warm under way. Also during the delay after a failure. @throws Fault TARGET_UNKNOWN, or why it failed */
  warmTarget(name: string, reason: string): Promise<void>;
  /**
   * Drains, or waits for a drain under way; `force` also when flows are alive, which are cut.
   * @throws Fault TARGET_UNKNOWN, TARGET_WANTED (a running frontend wants it), TARGET_BUSY (flows are alive), or why it failed
   */
  drainTarget(name: string, reason: string, force: boolean): Promise<void>;
  /**
   * Reads the configuration again and takes over what changed.
   * @throws ConfigError (code CONFIG_INVALID), Fault RELOAD_NEEDS_RESTART: nothing was changed
   */
  reload(): Promise<ReloadReport>;
  /** Starts, or waits for a start under way. @throws Fault FRONTEND_UNKNOWN, or why it failed */
  startFrontend(name: string): Promise<void>;
  /** @throws Fault FRONTEND_UNKNOWN, or why it failed */
  stopFrontend(name: string): Promise<void>;
}

/** What a reload did; empty lists are left out. */
export interface ReloadReport {
  targets?: ReloadedResources;
  frontends?: ReloadedResources;
  /** What is in force, but not as it should be: also in the status and in the log. */
  failures?: { name: string; error: string }[];
}

export interface ReloadedResources {
  added?: string[];
  removed?: string[];
  /** `fields`: what differs, as it is called in the file. `made_anew`: its service was stopped, or its handler begun again. */
  changed?: { name: string; fields: string[]; made_anew?: true }[];
}
