import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../pkg/clock/clock.ts";
import { listenFault } from "../../pkg/listen/listen-fault.ts";
import type { AddrPort } from "../../pkg/value/addr-port.ts";
import { contentType } from "./http-options.ts";
import type { HttpOptions } from "./http-options.ts";

/** Against clients that take their time, or open connections and say nothing. */
const HEADERS_MS = 5000;
const REQUEST_MS = 10_000;
const SILENT_MS = 10_000;
const CHECK_MS = 2000;
const MOST_CONNECTIONS = 1000;
/** A longer body is not read before the answer. */
const BODY_LIMIT = 1024 * 1024;

/** What close() grants answers that are under way. */
const CLOSE_MS = 1000;

export interface PageServerOptions {
  readonly address: AddrPort;
  /** Asked for with each request. */
  readonly page: () => HttpOptions;
  readonly clock: Clock;
  /** Called for each request. */
  readonly onRequest: (client: AddrPort) => void;
}

/** Serves one page on one address, one request per connection. */
export class PageServer {
  readonly #options: PageServerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(options: PageServerOptions) {
    this.#options = options;
    this.#server = createServer(
      { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, connectionsCheckingInterval: CHECK_MS },
      (request, response) => {
        this.#answer(request, response);
      },
    );
    this.#server.maxConnections = MOST_CONNECTIONS;
    this.#server.setTimeout(SILENT_MS);
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("clientError", refuse);
    // accepting failed, such as for want of a descriptor: that client's loss only
    this.#server.on("error", () => undefined);
  }

  /** @throws Fault LISTEN_FAILED */
  async start(): Promise<void> {
    const { address, family, port } = this.#options.address;
    const server = this.#server;
    // [::] must leave 0.0.0.0 to a socket of its own
    server.listen({ host: address, port, ipv6Only: family === "ipv6", exclusive: true });
    try {
      await once(server, "listening");
    } catch (error) {
      throw listenFault(this.#options.address, "serve the page", error);
    }
  }

  /** Closes every connection, after its answer if a request has begun: the client's next one is to reach the target. */
  release(): void {
    for (const socket of this.#sockets) {
      if (socket.bytesRead === 0) socket.destroySoon();
    }
  }

  /** No connection is left when it resolves. Never rejects. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.release();
    const waited = new AbortController();
    const late = this.#options.clock.sleep(CLOSE_MS, waited.signal).then(
      () => {
        for (const socket of this.#sockets) socket.destroy();
      },
      () => undefined,
    );
    await closed;
    waited.abort();
    await late;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { remoteAddress, remotePort } = request.socket;
    // neither is known of a client that has left already
    if (remoteAddress !== undefined && remotePort !== undefined) {
      this.#options.onRequest({ family: this.#options.address.family, address: remoteAddress, port: remotePort });
    }
    // to close a connection with unread data resets it, and the client would lose the answer
    let length = 0;
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > BODY_LIMIT) this.#respond(request, response);
    });
    request.once("end", () => {
      this.#respond(request, response);
    });
  }

  #respond(request: IncomingMessage, response: ServerResponse): void {
    if (response.headersSent) return;
    const page = this.#options.page();
    const found = pathOf(request.url ?? "") === page.endpoint;
    const body = Buffer.from(found ? page.content : "not found\n");
    const status = found ? page.status : 404;
    const headers = { "Cache-Control": "no-store", Connection: "close" };
    if (status === 204 || status === 304) {
      response.writeHead(status, headers).end();
      return;
    }
    const type = found ? contentType(page) : "text/plain; charset=utf-8";
    response.writeHead(status, { ...headers, "Content-Type": type, "Content-Length": body.length }).end(body);
  }
}

/** Of a request's target, which is a path with a query, or a whole URL when the client takes us for a proxy. */
function pathOf(target: string): string {
  const path = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "");
  return path === "" ? "/" : path;
}

const REFUSALS: ReadonlyMap<string, string> = new Map([
  ["HPE_HEADER_OVERFLOW", "431 Request Header Fields Too Large"],
  ["ERR_HTTP_REQUEST_TIMEOUT", "408 Request Timeout"],
]);

function refuse(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  socket.end(
    `HTTP/1.1 ${REFUSALS.get(error.code ?? "") ?? "400 Bad Request"}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    () => {
      socket.destroy();
    },
  );
}
