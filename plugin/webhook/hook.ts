import type { Clock } from "../../pkg/clock/clock.ts";
import { Fault } from "../../pkg/fault/fault.ts";
import type { Log } from "../../pkg/log/log.ts";
import type { Message } from "./message.ts";
import type { Outcome } from "./sender.ts";

const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 300_000;
/** Between two lines about lost messages. */
const TELL_MS = 60_000;

export interface HookOptions {
  /** Messages that wait, at most. */
  readonly capacity: number;
  /** After the first attempt. */
  readonly retries: number;
  readonly clock: Clock;
  /** Says which hook it is. */
  readonly log: Log;
  /** One attempt; never rejects. */
  readonly post: (message: Message, signal: AbortSignal) => Promise<Outcome>;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/** Messages on their way to one receiver: in order, one at a time. */
export class Hook {
  readonly #options: HookOptions;
  readonly #waiting: Message[] = [];
  /** Aborts waits for another attempt. */
  readonly #closing = new AbortController();
  /** Aborts attempts. */
  readonly #ended = new AbortController();
  #work: Promise<void> | undefined;
  /** Attempts that failed since the last message that was delivered. */
  #failures = 0;
  #lost = 0;
  #lostWhy = "";
  #toldAt = -Infinity;

  constructor(options: HookOptions) {
    this.#options = options;
  }

  /** Returns at once. With a full queue, the oldest message that waits is lost. Does nothing after close(). */
  push(message: Message): void {
    if (this.#closing.signal.aborted) return;
    if (this.#waiting.length >= this.#options.capacity) {
      this.#waiting.shift();
      this.#lose(1, "the queue is full");
    }
    this.#waiting.push(message);
    this.#work ??= this.#deliverAll();
  }

  /** Sends what waits, as long as that works at once and for `limitMs` at most; what is left is lost. Idempotent, never rejects. */
  async close(limitMs: number): Promise<void> {
    this.#closing.abort(new Fault("WEBHOOK_CLOSED", "the daemon ends"));
    const idle = new AbortController();
    void this.#options.clock.sleep(limitMs, idle.signal).then(
      () => {
        this.#ended.abort(new Fault("WEBHOOK_CLOSED", "the daemon ends"));
      },
      () => undefined,
    );
    await this.#work;
    idle.abort(new Fault("WEBHOOK_CLOSED", "closed"));
    this.#tellLost();
  }

  async #deliverAll(): Promise<void> {
    for (let message = this.#waiting.shift(); message !== undefined; message = this.#waiting.shift()) {
      // at its end, the daemon does not wait for a receiver any more
      if (!(await this.#deliver(message))) this.#lose(this.#waiting.splice(0).length, "the daemon ends");
    }
    // in the same turn as the look at the queue: what is pushed from now on begins anew
    this.#work = undefined;
  }

  /** Whether to go on with the next one. */
  async #deliver(message: Message): Promise<boolean> {
    const { post, retries, clock } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const isLast = this.#closing.signal.aborted;
      const outcome = await post(message, this.#ended.signal);
      if (outcome.result === "delivered") {
        this.#recovered();
        return true;
      }
      if (outcome.result === "refused") {
        this.#lose(1, outcome.why);
        return true;
      }
      this.#failures += 1;
      if (isLast || attempt >= retries) {
        this.#lose(1, outcome.why);
        return !isLast;
      }
      const delayMs = Math.max(this.#delay(attempt), outcome.retryAfterMs ?? 0);
      this.#tellRetry(outcome.why, delayMs);
      await clock.sleep(delayMs, this.#closing.signal).catch(() => undefined);
    }
  }

  /** Doubles with each attempt; by up to a half less, so that many gateways do not come at once. */
  #delay(attempt: number): number {
    const full = Math.min(FIRST_DELAY_MS * 2 ** attempt, LONGEST_DELAY_MS);
    return Math.round(full * (0.5 + this.#options.random() / 2));
  }

  #tellRetry(why: string, delayMs: number): void {
    const { log } = this.#options;
    const fields = { error: why, retry_in_ms: delayMs };
    if (this.#failures === 1) log.warn("a webhook was not delivered", fields);
    else log.debug("a webhook was not delivered", fields);
  }

  #recovered(): void {
    if (this.#failures > 0) this.#options.log.info("webhooks are delivered again", { failed_attempts: this.#failures });
    this.#failures = 0;
    this.#tellLost();
  }

  #lose(count: number, why: string): void {
    if (count === 0) return;
    this.#lost += count;
    this.#lostWhy = why;
    if (this.#options.clock.now() - this.#toldAt >= TELL_MS) this.#tellLost();
  }

  #tellLost(): void {
    if (this.#lost === 0) return;
    this.#options.log.error("webhooks were lost", { lost: this.#lost, error: this.#lostWhy });
    this.#lost = 0;
    this.#toldAt = this.#options.clock.now();
  }
}
