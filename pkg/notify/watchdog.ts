import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log/log.ts";
import type { Notifier } from "./notify.ts";

/** Of the service manager's limit: two signs of life may be late or lost before it runs out. */
const SIGNS_PER_LIMIT = 3;

export interface WatchdogOptions {
  readonly notifier: Pick<Notifier, "alive">;
  readonly clock: Clock;
  readonly log: Log;
  /** What does not get on; empty when all is well. */
  readonly stuck: () => readonly string[];
}

/** How long the service manager waits for a sign of life of this process, in ms; undefined: for ever. */
export function watchdogLimit(env: Readonly<Record<string, string | undefined>>, pid: number): number | undefined {
  const { WATCHDOG_USEC: limit = "", WATCHDOG_PID: addressee } = env;
  if (addressee !== undefined && addressee !== String(pid)) return undefined;
  return /^[1-9][0-9]{0,15}$/.test(limit) ? Number(limit) / 1000 : undefined;
}

/**
 * Gives signs of life until the signal aborts, as long as nothing is stuck. The event loop that is needed for it is the one
 * that all else runs on; time is that of CLOCK_MONOTONIC here as in systemd, which stands still while a laptop sleeps.
 * Never rejects.
 */
export async function watch(
  limitMs: number,
  { notifier, clock, log, stuck }: WatchdogOptions,
  signal: AbortSignal,
): Promise<void> {
  let told = "";
  while (!signal.aborted) {
    const what = stuck().join(", ");
    if (what === "") notifier.alive();
    if (what !== told) {
      if (what === "") log.info("nothing is stuck any more");
      else
        log.error("stuck: without a change, the service manager will start the daemon anew", { work: what, within_ms: limitMs });
      told = what;
    }
    await clock.sleep(limitMs / SIGNS_PER_LIMIT, signal).catch(() => undefined);
  }
}
