import { createServer, type Server, type Socket } from "node:net";
import type { Codec } from "../../pkg/ctl/codec.ts";
import { Fault, messageOf } from "../../pkg/fault/fault.ts";
import { isInPlace, listenAt, removeSocketFile, type SocketFile } from "../../pkg/listen/socket-file.ts";
import type { EngineApi } from "../../pkg/plugin/plugin.ts";
import { errorResponse } from "./answer.ts";
import { Connection } from "./connection.ts";
import { EventFeed } from "./event-feed.ts";

export const MAX_CONNECTIONS = 256;
/** Between two looks whether the socket file is still there. */
const LOOK_MS = 5000;

export interface CtlServerOptions {
  readonly path: string;
  /** Group of the socket file; undefined: the daemon's own. */
  readonly gid: number | undefined;
  readonly codec: Codec;
  readonly engine: EngineApi;
}

/** Accepts clients on the control socket. */
export class CtlServer {
  readonly #options: CtlServerOptions;
  readonly #connections = new Set<Connection>();
  readonly #feed: EventFeed;
  #server: Server | undefined;
  #file: SocketFile | undefined;
  readonly #closing = new AbortController();
  #watching: Promise<void> | undefined;
  /** Why the socket file could not be made again, told once. */
  #trouble: string | undefined;

  constructor(options: CtlServerOptions) {
    this.#options = options;
    this.#feed = new EventFeed(options.engine, options.codec);
  }

  /** @throws Fault SOCKET_IN_USE, SOCKET_FAILED; nothing is left behind then */
  async start(): Promise<void> {
    const { path, codec, engine } = this.#options;
    await this.#listen();
    this.#watching = this.#watch();
    engine.log.info("control socket open", { socket: path, codec: codec.name });
  }

  async #listen(): Promise<void> {
    const { path, gid, engine } = this.#options;
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#accept(socket);
    });
    this.#file = await listenAt(server, { path, gid, noun: "control socket" });
    // connections that it has stay
    this.#server?.close();
    this.#server = server;
    server.on("error", (error) => {
      engine.log.warn("control socket", { error: error.message });
    });
  }

  /** Makes the socket file again should somebody remove it: a look now and then, since directories such as /run are busy ones. */
  async #watch(): Promise<void> {
    const { engine, path } = this.#options;
    const { signal } = this.#closing;
    for (;;) {
      await engine.clock.sleep(LOOK_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        if (this.#file === undefined || (await isInPlace(this.#file))) continue;
        await this.#listen();
        this.#trouble = undefined;
        engine.log.warn("somebody else had removed the control socket; opened it again", { socket: path });
      } catch (error) {
        const trouble = messageOf(error);
        if (trouble !== this.#trouble) engine.log.error("somebody else removed the control socket", { error: trouble });
        this.#trouble = trouble;
      }
    }
  }

  /** Removes the socket file if it is still ours, and closes all connections. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#watching;
    const file = this.#file;
    const server = this.#server;
    this.#file = this.#server = undefined;
    if (file !== undefined) await removeSocketFile(file);
    server?.close();
    await Promise.all([...this.#connections].map((connection) => connection.close()));
  }

  #accept(socket: Socket): void {
    const { codec, engine } = this.#options;
    if (this.#connections.size >= MAX_CONNECTIONS) {
      engine.log.debug("control connection refused", { error: "too many connections", limit: MAX_CONNECTIONS });
      refuse(
        socket,
        errorResponse(codec, 0, new Fault("CTL_BUSY", `the daemon has ${MAX_CONNECTIONS} control connections already`)),
      );
      return;
    }
    const connection = new Connection(socket, codec, engine, this.#feed);
    this.#connections.add(connection);
    connection.start(() => this.#connections.delete(connection));
  }
}

/** At once, without lingering: these are not counted, so none may stay. */
function refuse(socket: Socket, response: Uint8Array): void {
  socket.on("error", () => undefined);
  socket.write(response);
  socket.destroySoon();
}
