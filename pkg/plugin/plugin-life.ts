import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import { LimitedCalls } from "../serial/limited-calls.ts";
import type { EngineApi } from "./plugin.ts";
import type { Registration } from "./registry.ts";

const LOAD_LIMIT_MS = 30_000;
const UNLOAD_LIMIT_MS = 10_000;

/** A plugin from onLoad to onUnload, neither of which is waited for for ever. */
export class PluginLife {
  readonly #registration: Registration;
  readonly #calls: LimitedCalls;

  constructor(registration: Registration, clock: Clock, log: Log) {
    this.#registration = registration;
    this.#calls = new LimitedCalls({ whose: `the plugin "${registration.source}"`, clock, log });
  }

  /** @throws what onLoad throws, or Fault HANDLER_STUCK */
  async load(config: unknown, engine: EngineApi): Promise<void> {
    const { plugin, namespace } = this.#registration;
    await this.#calls.call({
      step: "onLoad",
      limitMs: LOAD_LIMIT_MS,
      work: () => plugin.onLoad?.(config as undefined, engine, namespace),
      undo: async () => plugin.onUnload?.(),
    });
  }

  /** To be called only after load() has resolved. @throws what onUnload throws, or Fault HANDLER_STUCK */
  async unload(): Promise<void> {
    const { plugin } = this.#registration;
    await this.#calls.call({ step: "onUnload", limitMs: UNLOAD_LIMIT_MS, work: () => plugin.onUnload?.() });
  }
}
