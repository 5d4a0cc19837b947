import type { FrontendContext, FrontendHandler } from "../../pkg/frontend/handler.ts";
import type { FrontendKind } from "../../pkg/plugin/plugin.ts";
import { NO_OPTIONS } from "./no-options.ts";

/** Asks for its target when the first packet of a flow comes, which is held until the target is ready. */
class OnDemandFrontend implements FrontendHandler {
  readonly #context: FrontendContext<unknown>;

  constructor(context: FrontendContext<unknown>) {
    this.#context = context;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  held(source: string): void {
    this.#context.target.warm(`first packet from ${source}`, source);
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export const ON_DEMAND_KIND: FrontendKind<never> = {
  description: "Starts its target when a client comes; the client's first packet is held until the target is ready.",
  whenCold: "hold",
  options: NO_OPTIONS,
  create: (context) => new OnDemandFrontend(context),
};
