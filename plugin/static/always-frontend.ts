import type { FrontendContext, FrontendHandler, Want } from "../../pkg/frontend/handler.ts";
import type { FrontendKind } from "../../pkg/plugin/plugin.ts";
import { NO_OPTIONS } from "./no-options.ts";

/** How often the target is asked for, so that one which failed or died is tried again. */
const SIGNAL_MS = 1000;

/** Wants its target for as long as it is started. */
class AlwaysFrontend implements FrontendHandler {
  readonly #context: FrontendContext<unknown>;
  #started: { readonly want: Want; readonly abort: AbortController; readonly signals: Promise<void> } | undefined;

  constructor(context: FrontendContext<unknown>) {
    this.#context = context;
  }

  start(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const abort = new AbortController();
    this.#started = { want: this.#context.target.want(), abort, signals: this.#signal(abort.signal) };
    return Promise.resolve();
  }

  async #signal(signal: AbortSignal): Promise<void> {
    const { clock, name, target } = this.#context;
    while (!signal.aborted) {
      target.warm(`frontend ${name} always wants it`);
      await clock.sleep(SIGNAL_MS, signal).catch(() => undefined);
    }
  }

  held(source: string): void {
    this.#context.target.warm(`connection from ${source}`, source);
  }

  async stop(): Promise<void> {
    const started = this.#started;
    this.#started = undefined;
    started?.abort.abort();
    await started?.signals;
    started?.want.release();
  }

  close(): Promise<void> {
    return this.stop();
  }
}

export const ALWAYS_KIND: FrontendKind<never> = {
  description: "Wants its target for as long as it runs: the target is started at once, and never stopped for being idle.",
  // its target may still be starting, or be between two tries
  whenCold: "hold",
  options: NO_OPTIONS,
  create: (context) => new AlwaysFrontend(context),
};
