import type { Socket } from "node:net";
import type { Codec } from "../../pkg/ctl/codec.ts";
import { Method } from "../../pkg/ctl/method.ts";
import { REQUEST_LIMIT } from "../../pkg/ctl/packet.ts";
import { PacketReader } from "../../pkg/ctl/reader.ts";
import { Fault } from "../../pkg/fault/fault.ts";
import type { EngineApi, EventType } from "../../pkg/plugin/plugin.ts";
import { answer, errorResponse } from "./answer.ts";
import type { EventFeed } from "./event-feed.ts";

/** Requests of one connection that are worked on at the same time; with more, nothing is read from it. */
export const MAX_IN_FLIGHT = 64;
/** Bytes of responses that wait for the client to read; with more, it is dropped. */
export const MAX_UNSENT = 8 * 1024 * 1024;
/** Milliseconds that a client has to read the last response before the connection is cut. */
export const LINGER_MS = 1000;
/** Bytes of events that wait for the client to read; with more, it gets no further ones. */
export const MAX_EVENTS_UNSENT = 1024 * 1024;
/** Milliseconds that a client which has lost events has to read those that it has not, and the notice. */
export const LOST_LINGER_MS = 30_000;

/**
 * One client. Takes at most one request per turn of the event loop, and none while its client does not read the
 * responses, so that it can be no faster than the daemon and no client keeps others waiting.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #engine: EngineApi;
  readonly #codec: Codec;
  readonly #feed: EventFeed;
  readonly #reader: PacketReader;
  readonly #gone = new AbortController();
  #inFlight = 0;
  #stepDue = false;
  #clientEnded = false;
  #closing = false;
  #unsubscribe: () => void = () => undefined;
  #eventsUnsent = 0;

  /** The socket must allow half-open: a client may end its side and still wait for responses. */
  constructor(socket: Socket, codec: Codec, engine: EngineApi, feed: EventFeed) {
    this.#socket = socket;
    this.#engine = engine;
    this.#codec = codec;
    this.#feed = feed;
    this.#reader = new PacketReader(codec, REQUEST_LIMIT);
  }

  /** Serves the client until it goes; `onClosed` is called once, afterwards. */
  start(onClosed: () => void): void {
    this.#socket.on("data", (chunk: Buffer) => {
      if (this.#closing) return;
      this.#socket.pause();
      this.#reader.write(chunk);
      this.#stepSoon();
    });
    this.#socket.on("end", () => {
      this.#clientEnded = true;
      this.#stepSoon();
    });
    this.#socket.on("drain", () => {
      this.#stepSoon();
    });
    this.#socket.on("error", (error) => {
      this.#engine.log.debug("control connection broken", { error: error.message });
    });
    this.#socket.once("close", () => {
      this.#closing = true;
      this.#unsubscribe();
      this.#gone.abort();
      onClosed();
    });
  }

  /** Lets what was already answered reach the client, then cuts the connection. Work under way goes on. Idempotent. */
  async close(): Promise<void> {
    await this.#end();
  }

  #stepSoon(): void {
    if (this.#stepDue || this.#closing) return;
    this.#stepDue = true;
    setImmediate(() => {
      this.#stepDue = false;
      if (!this.#closing) this.#step();
    });
  }

  #step(): void {
    if (this.#inFlight === MAX_IN_FLIGHT || this.#socket.writableNeedDrain) return;
    try {
      const packet = this.#reader.read();
      if (packet !== undefined) {
        void this.#serve(packet);
        this.#stepSoon();
      } else if (!this.#clientEnded) {
        this.#socket.resume();
      } else if (!this.#reader.idle) {
        throw new Fault("CTL_JUNK", "the stream ends in the middle of a packet");
      } else if (this.#inFlight === 0) {
        void this.#end();
      }
    } catch (error) {
      this.#engine.log.debug("control connection refused", { error: (error as Error).message });
      void this.#end(errorResponse(this.#codec, 0, error));
    }
  }

  async #serve(packet: Parameters<typeof answer>[2]): Promise<void> {
    this.#inFlight++;
    let events: ReadonlySet<EventType> | undefined;
    const response = await answer(this.#engine, this.#codec, packet, (wanted) => (events = wanted));
    this.#inFlight--;
    if (this.#closing) return;
    if (this.#socket.writableLength > MAX_UNSENT) {
      this.#engine.log.debug("control connection dropped", { reason: "its client does not read the responses" });
      this.#closing = true;
      this.#socket.destroy();
      return;
    }
    this.#socket.write(response);
    if (events !== undefined) this.#subscribe(events);
    this.#stepSoon();
  }

  #subscribe(events: ReadonlySet<EventType>): void {
    this.#unsubscribe();
    this.#unsubscribe = this.#feed.subscribe(events, (packet) => {
      this.#tell(packet);
    });
  }

  #tell(packet: Uint8Array): void {
    if (this.#eventsUnsent + packet.length > MAX_EVENTS_UNSENT) {
      this.#engine.log.debug("control connection dropped", { reason: "its client does not read the events" });
      void this.#end(this.#codec.encode({ id: 0, method: Method.eventsLostNotification, body: {} }), LOST_LINGER_MS);
      return;
    }
    this.#eventsUnsent += packet.length;
    this.#socket.write(packet, () => (this.#eventsUnsent -= packet.length));
  }

  /**
   * Sends the end of the stream and goes on reading for a while, into nothing: closing while input is unread resets the
   * connection, and the client could not read the last response if its own write fails first.
   */
  async #end(last?: Uint8Array, lingerMs = LINGER_MS): Promise<void> {
    if (this.#socket.destroyed) return;
    if (!this.#closing) {
      this.#closing = true;
      this.#unsubscribe();
      if (last !== undefined) this.#socket.write(last);
      this.#socket.end();
      this.#socket.resume();
    }
    await this.#engine.clock.sleep(lingerMs, this.#gone.signal).catch(() => undefined);
    this.#socket.destroy();
  }
}
