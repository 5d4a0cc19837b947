import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { LimitedCalls } from "../serial/limited-calls.ts";
import type { EngineApi, EngineEvent } from "./plugin.ts";
import type { Registration } from "./registry.ts";

const LOAD_LIMIT_MS = 30_000;
const UNLOAD_LIMIT_MS = 10_000;

/** A plugin from onLoad to onUnload, neither of which is waited for for ever. */
export class PluginLife {
  readonly #registration: Registration;
  readonly #calls: LimitedCalls;
  /** Of what it listens to. */
  readonly #releases = new Set<() => void>();

  constructor(registration: Registration, clock: Clock, log: Log) {
    this.#registration = registration;
    this.#calls = new LimitedCalls({ whose: `the plugin "${registration.source}"`, clock, log });
  }

  /** @throws what onLoad throws, or Fault HANDLER_STUCK */
  async load(config: unknown, engine: EngineApi): Promise<void> {
    const { plugin, namespace } = this.#registration;
    try {
      await this.#calls.call({
        step: "onLoad",
        limitMs: LOAD_LIMIT_MS,
        work: () => plugin.onLoad?.(config as undefined, this.#viewOf(engine), namespace),
        undo: async () => plugin.onUnload?.(),
      });
    } catch (error) {
      this.#forgetListeners();
      throw error;
    }
  }

  /** To be called only after load() has resolved. @throws what onUnload throws, or Fault HANDLER_STUCK */
  async unload(): Promise<void> {
    const { plugin } = this.#registration;
    try {
      await this.#calls.call({ step: "onUnload", limitMs: UNLOAD_LIMIT_MS, work: () => plugin.onUnload?.() });
    } finally {
      this.#forgetListeners();
    }
  }

  /** What the plugin leaves listening ends with it. */
  #viewOf(engine: EngineApi): EngineApi {
    return {
      log: engine.log,
      clock: engine.clock,
      status: (query) => engine.status(query),
      flows: (target) => engine.flows(target),
      onEvent: (listener) => this.#listen(engine, listener),
      warmTarget: (name, reason) => engine.warmTarget(name, reason),
      drainTarget: (name, reason, force) => engine.drainTarget(name, reason, force),
      reload: () => engine.reload(),
      startFrontend: (name) => engine.startFrontend(name),
      stopFrontend: (name) => engine.stopFrontend(name),
    };
  }

  #listen(engine: EngineApi, listener: (event: EngineEvent) => void): () => void {
    const release = engine.onEvent(listener);
    const once = (): void => {
      if (this.#releases.delete(once)) release();
    };
    this.#releases.add(once);
    return once;
  }

  #forgetListeners(): void {
    for (const release of [...this.#releases]) release();
  }
}
