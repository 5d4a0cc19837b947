import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { messageOf } from "../../pkg/fault/fault.ts";
import { listenFault } from "../../pkg/listen/listen-fault.ts";
import { listenAt, removeSocketFile, type SocketFile } from "../../pkg/listen/socket-file.ts";
import type { Log } from "../../pkg/log/log.ts";
import type { AddrPort } from "../../pkg/value/addr-port.ts";

const PATH = "/metrics";
/** Against clients that open connections and say nothing. */
const HEADERS_MS = 5000;
const REQUEST_MS = 10_000;
const CHECK_MS = 2000;
const MOST_CONNECTIONS = 64;

export interface MetricsServerOptions {
  readonly place: { readonly address: AddrPort } | { readonly socket: string; readonly gid: number | undefined };
  readonly contentType: string;
  /** What is served; rejects when it cannot be had. */
  readonly text: () => Promise<string>;
  readonly log: Log;
}

/** Serves metrics over HTTP. */
export class MetricsServer {
  readonly #options: MetricsServerOptions;
  readonly #server: Server;
  #file: SocketFile | undefined;
  /** Why scrapes fail, told once. */
  #trouble: string | undefined;

  constructor(options: MetricsServerOptions) {
    this.#options = options;
    this.#server = createServer(
      { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, connectionsCheckingInterval: CHECK_MS },
      (request, response) => {
        void this.#answer(request, response);
      },
    );
    this.#server.maxConnections = MOST_CONNECTIONS;
  }

  /** @throws Fault LISTEN_FAILED, SOCKET_IN_USE, SOCKET_FAILED; nothing is left behind then */
  async start(): Promise<void> {
    const { place, log } = this.#options;
    if ("socket" in place) {
      this.#file = await listenAt(this.#server, { path: place.socket, gid: place.gid, noun: "metrics socket" });
    } else {
      const { address, port, family } = place.address;
      this.#server.listen({ host: address, port, ipv6Only: family === "ipv6", exclusive: true });
      try {
        await once(this.#server, "listening");
      } catch (error) {
        throw listenFault(place.address, "serve metrics", error);
      }
    }
    this.#server.on("error", (error) => {
      log.warn("metrics server", { error: error.message });
    });
  }

  /** Ends all connections, and removes the socket file if it is still its own. Idempotent. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) await removeSocketFile(file);
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // a body is nobody's business
    request.resume();
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      respond(response, 405, "only GET and HEAD\n");
      return;
    }
    if ((request.url ?? "").replace(/[?#].*$/s, "") !== PATH) {
      respond(response, 404, `not found; metrics are at ${PATH}\n`);
      return;
    }
    try {
      respond(response, 200, await this.#options.text(), this.#options.contentType);
      this.#trouble = undefined;
    } catch (error) {
      const trouble = messageOf(error);
      if (trouble !== this.#trouble) this.#options.log.warn("metrics could not be read", { error: trouble });
      this.#trouble = trouble;
      respond(response, 503, `${trouble}\n`);
    }
  }
}

function respond(response: ServerResponse, status: number, text: string, type = "text/plain; charset=utf-8"): void {
  const body = Buffer.from(text);
  response.writeHead(status, { "Content-Type": type, "Content-Length": body.length }).end(body);
}
