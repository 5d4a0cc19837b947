import type { Fault } from "../fault/fault.ts";
import type { TargetHandler } from "./handler.ts";

/** A target handler that does as a test says, and notes what it was asked. */
export class ScriptedHandler implements TargetHandler {
  readonly calls: string[] = [];
  /** What adopt() finds. */
  running = false;
  warmFailure: Error | undefined;
  drainFailure: Error | undefined;
  /** When set, warm() waits for it (or for its signal). */
  warmGate: Promise<void> | undefined;
  drainGate: Promise<void> | undefined;
  /** The options that it takes over while the service runs; undefined: none. */
  takesOver: ((options: unknown) => boolean) | undefined;
  /** Set by whoever makes the target. */
  died: (reason: Fault) => void = () => undefined;

  adopt(): Promise<boolean> {
    return Promise.resolve(this.running);
  }

  async warm(signal: AbortSignal): Promise<void> {
    this.calls.push("warm");
    await Promise.race([this.warmGate, aborted(signal)]);
    signal.throwIfAborted();
    if (this.warmFailure !== undefined) throw this.warmFailure;
  }

  async drain(): Promise<void> {
    this.calls.push("drain");
    await this.drainGate;
    if (this.drainFailure !== undefined) throw this.drainFailure;
  }

  reconfigure(options: unknown): (() => void) | undefined {
    if (this.takesOver?.(options) !== true) return undefined;
    return () => this.calls.push(`options ${JSON.stringify(options)}`);
  }

  close(): Promise<void> {
    this.calls.push("close");
    return Promise.resolve();
  }
}

/** One whose service can go on without it. */
export class LastingHandler extends ScriptedHandler implements TargetHandler {
  detach(): Promise<void> {
    this.calls.push("detach");
    return Promise.resolve();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => {
      resolve();
    });
  });
}
