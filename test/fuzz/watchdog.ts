import { Worker } from "node:worker_threads";

/** A check that is not done after so long will never be. */
const HANGS_MS = 60_000;

/**
 * In a thread of its own, since the one that hangs can do nothing any more. It ends the process, which vitest reports as a
 * failure; nothing less stops a loop.
 */
const WATCH = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { writeSync } = require("node:fs");
  const state = new Int32Array(workerData.shared);
  let what = "", before = 0, seen = 0;
  parentPort.on("message", (message) => { ({ what, before } = message); });
  setInterval(() => {
    const count = Atomics.load(state, 0);
    if (Atomics.load(state, 1) === 1 && count === seen) {
      writeSync(2, "a check has been under way for " + workerData.ms / 1000 + " s, with input " + (count - before) + " of " + what + "\\n");
      process.kill(process.pid, "SIGKILL");
    }
    seen = count;
  }, workerData.ms);
`;

/** Ends the process when a check does not come to its end. */
export class Watchdog {
  /** Checks begun, and whether one is under way. */
  readonly #state = new Int32Array(new SharedArrayBuffer(8));
  #worker: Worker | undefined;

  /** `what` is said of the checks to come if one hangs. */
  watch(what: string): void {
    this.#worker ??= new Worker(WATCH, { eval: true, workerData: { shared: this.#state.buffer, ms: HANGS_MS } });
    this.#worker.unref();
    this.#worker.postMessage({ what, before: Atomics.load(this.#state, 0) });
  }

  /** Both return the time in ms. */
  begin(): number {
    Atomics.add(this.#state, 0, 1);
    Atomics.store(this.#state, 1, 1);
    return Date.now();
  }

  end(): number {
    Atomics.store(this.#state, 1, 0);
    return Date.now();
  }
}
