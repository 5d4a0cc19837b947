import type { TargetKind } from "../../pkg/plugin/plugin.ts";
import type { TargetHandler } from "../../pkg/target/handler.ts";
import { NO_OPTIONS } from "./no-options.ts";

/** A service that something else starts and stops. */
class NoneTarget implements TargetHandler {
  warm(signal: AbortSignal): Promise<void> {
    return signal.aborted ? Promise.reject(signal.reason as Error) : Promise.resolve();
  }

  drain(): Promise<void> {
    return Promise.resolve();
  }

  detach(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export const NONE_KIND: TargetKind<never> = {
  description: "Starts and stops nothing: the service is looked after by something else.",
  startsService: false,
  options: NO_OPTIONS,
  create: () => new NoneTarget(),
};
