import type { Clock } from "../clock/clock.ts";
import { messageOf } from "../fault/fault.ts";
import type { Log } from "../log/log.ts";
import type { EngineEvent } from "../plugin/plugin.ts";

/** An event without its time. */
type Happening = EngineEvent extends infer Each ? (Each extends EngineEvent ? Omit<Each, "at"> : never) : never;

type Listener = (event: EngineEvent) => void;

/** Tells whoever listens what happens. */
export class Events {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners = new Set<{ readonly tell: Listener }>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  get isHeard(): boolean {
    return this.#listeners.size > 0;
  }

  /** Until what is returned is called, which is idempotent. */
  on(tell: Listener): () => void {
    const listener = { tell };
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** `happening` is called only if somebody listens. Never throws. */
  emit(happening: () => Happening): void {
    if (!this.isHeard) return;
    const event: EngineEvent = { ...happening(), at: this.#clock.date().toISOString() };
    // one that is added meanwhile hears of the next, one that is removed of no more
    for (const listener of [...this.#listeners]) {
      if (!this.#listeners.has(listener)) continue;
      try {
        listener.tell(event);
      } catch (error) {
        this.#log.error("a listener of events failed", { event: event.type, error: messageOf(error) });
      }
    }
  }
}
