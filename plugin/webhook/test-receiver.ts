/** For tests: an HTTP server that does with each request as it is told. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createSecureServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";

interface Received {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly received: Received[];
}

/** `answers`: one for each request, the last one for all that follow. */
export async function receiver(
  answers: readonly ((response: ServerResponse) => void)[],
  secure?: ServerOptions,
): Promise<Receiver> {
  const received: Received[] = [];
  const listener: RequestListener = (request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      received.push({ method: request.method, path: request.url, headers: request.headers, body });
      (answers[received.length - 1] ?? answers.at(-1))?.(response);
    });
  };
  const server = secure === undefined ? createServer(listener) : createSecureServer(secure, listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `${secure === undefined ? "http" : "https"}://localhost:${String(port)}`,
    received,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

export const answers = {
  status:
    (status: number, headers: Record<string, string> = {}) =>
    (response: ServerResponse): void => {
      response.writeHead(status, headers).end("an answer");
    },
  reset: (response: ServerResponse): void => {
    response.socket?.resetAndDestroy();
  },
  hang: (): void => undefined,
  /** Begins an answer, and never ends it. */
  hangAfterHeaders: (response: ServerResponse): void => {
    response.writeHead(200).write("…");
  },
  endless: (response: ServerResponse): void => {
    const more = (): void => {
      while (response.writable && response.write("x".repeat(10_000)));
    };
    response.writeHead(200).on("drain", more);
    more();
  },
};
