/**
 * Package clock: time as a value that is handed in.
 *
 * Owns the difference between the system's time and a test's. Nothing else in the project may call setTimeout,
 * Date.now or performance.now for anything that decides; tests of timing then take no time.
 */

export interface Clock {
  /** Milliseconds on a monotonic scale with an arbitrary origin (CLOCK_MONOTONIC): for durations and timers only. */
  now(): number;
  /** The date, for people to read: logs and status. May jump. */
  date(): Date;
  /**
   * Resolves after `ms` milliseconds (any size; 0 or less: on a later turn of the event loop).
   * @throws the signal's reason as soon as it aborts; the timer is gone then.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** setTimeout keeps its delay in 32 bits: above this it would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

class SystemClock implements Clock {
  now(): number {
    return performance.now();
  }

  date(): Date {
    return new Date();
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const end = this.now() + ms;
    do {
      await timer(Math.min(Math.max(0, Math.ceil(end - this.now())), LONGEST_TIMER_MS), signal);
    } while (this.now() < end);
  }
}

function timer(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      clearTimeout(handle);
      reject(signal?.reason as Error);
    };
    const handle = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

export const systemClock: Clock = new SystemClock();
