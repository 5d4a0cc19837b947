import type { Codec } from "../../pkg/ctl/codec.ts";
import type { EVENT_TYPES } from "../../pkg/ctl/event-type.ts";
import { Method } from "../../pkg/ctl/method.ts";
import type { EngineApi, EngineEvent, EventType } from "../../pkg/plugin/plugin.ts";

/** The protocol knows all events that plugins hear of. */
type Untold = Exclude<EventType, keyof typeof EVENT_TYPES>;
const NOTIFICATION: [Untold] extends [never] ? typeof Method.eventNotification : never = Method.eventNotification;

interface Subscriber {
  readonly events: ReadonlySet<EventType>;
  readonly take: (packet: Uint8Array) => void;
}

/** The engine's events as packets: each is encoded once, however many connections it goes to, and not at all for nobody. */
export class EventFeed {
  readonly #engine: EngineApi;
  readonly #codec: Codec;
  readonly #subscribers = new Set<Subscriber>();
  #unlisten: (() => void) | undefined;

  constructor(engine: EngineApi, codec: Codec) {
    this.#engine = engine;
    this.#codec = codec;
  }

  /** `take` gets the packet of each event of these types, until the returned function is called, which is idempotent. */
  subscribe(events: ReadonlySet<EventType>, take: (packet: Uint8Array) => void): () => void {
    const subscriber = { events, take };
    this.#subscribers.add(subscriber);
    this.#unlisten ??= this.#engine.onEvent((event) => {
      this.#tell(event);
    });
    return () => {
      this.#subscribers.delete(subscriber);
      if (this.#subscribers.size > 0) return;
      this.#unlisten?.();
      this.#unlisten = undefined;
    };
  }

  #tell(event: EngineEvent): void {
    let packet: Uint8Array | undefined;
    for (const { events, take } of this.#subscribers) {
      if (!events.has(event.type)) continue;
      packet ??= this.#codec.encode({ id: 0, method: NOTIFICATION, body: event });
      take(packet);
    }
  }
}
