import { lookup } from "node:dns";
import { once } from "node:events";
import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";
import type { Clock } from "../../pkg/clock/clock.ts";
import { Fault, messageOf } from "../../pkg/fault/fault.ts";
import { Serial } from "../../pkg/serial/serial.ts";
import { formatDuration } from "../../pkg/value/duration.ts";
import { version } from "../../pkg/version/version.ts";
import type { Message } from "./message.ts";
import { parseRetryAfter } from "./retry-after.ts";
import { signedHeaders } from "./signature.ts";

/** How an attempt ended. `refused`: to try again is of no use. */
export type Outcome =
  | { readonly result: "delivered" }
  | { readonly result: "refused"; readonly why: string }
  | { readonly result: "failed"; readonly why: string; readonly retryAfterMs?: number };

export interface SenderOptions {
  readonly url: URL;
  /** Of signatures; none: it is not signed. */
  readonly keys: readonly Buffer[];
  /** Certificates, in PEM, of those who may vouch for the receiver; undefined: those that Node.js brings. */
  readonly ca: string | undefined;
  /** For a whole attempt. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** More of an answer is not read. */
const BODY_LIMIT = 64 * 1024;
/** Of those below 500, what may pass: Request Timeout, Too Early, Too Many Requests. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);
const CERTIFICATE = /CERT|SIGNATURE|ISSUER|ERR_TLS/;

/**
 * Posts messages to one address. By node:http and node:https rather than fetch, which follows redirects, has time limits of its own, and
 * says no more of a wrong certificate than "fetch failed". The agent is one of its own: no proxy of the environment, no connection that
 * is kept.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #agent: HttpAgent;

  constructor(options: SenderOptions) {
    this.#options = options;
    const { ca, url } = options;
    this.#agent =
      url.protocol === "https:" ? new HttpsAgent({ keepAlive: false, ...(ca === undefined ? {} : { ca }) }) : new HttpAgent();
  }

  /** One attempt, given up when `signal` aborts. Never rejects. */
  async post(message: Message, signal: AbortSignal): Promise<Outcome> {
    const { clock, timeoutMs } = this.#options;
    const attempt = new AbortController();
    const onAbort = (): void => {
      attempt.abort(signal.reason);
    };
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    const ended = new AbortController();
    void clock.sleep(timeoutMs, ended.signal).then(
      () => {
        attempt.abort(new Fault("WEBHOOK_TIMEOUT", `no answer within ${formatDuration(timeoutMs)}`));
      },
      () => undefined,
    );
    try {
      return await this.#request(message, attempt.signal);
    } catch (error) {
      return { result: "failed", why: attempt.signal.aborted ? messageOf(attempt.signal.reason) : this.#explain(error) };
    } finally {
      signal.removeEventListener("abort", onAbort);
      ended.abort(new Fault("WEBHOOK_ENDED", "the attempt has ended"));
    }
  }

  async #request(message: Message, signal: AbortSignal): Promise<Outcome> {
    const { url, keys, clock } = this.#options;
    const begin = url.protocol === "https:" ? httpsRequest : httpRequest;
    const request = begin(url, {
      method: "POST",
      agent: this.#agent,
      lookup: lookupInTurn,
      signal,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(message.body),
        "user-agent": `proxygw/${version}`,
        ...signedHeaders(message, keys, clock.date()),
      },
    });
    // also of what happens after the answer
    request.on("error", () => undefined);
    const response = await answer(request, message.body);
    await drain(response);
    return this.#outcome(response);
  }

  #outcome({ statusCode: status = 0, headers }: IncomingMessage): Outcome {
    if (status >= 200 && status < 300) return { result: "delivered" };
    if (status >= 300 && status < 400) {
      const why = `status ${status}: a redirect${this.#goal(headers.location)}, which is not followed; change "url"`;
      return { result: "refused", why };
    }
    const why = `status ${status}`;
    if (status < 500 && !PASSING.has(status)) return { result: "refused", why };
    const retryAfterMs = parseRetryAfter(headers["retry-after"], this.#options.clock.date());
    return { result: "failed", why, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }

  /** Without path and query, which may be secret. */
  #goal(location: string | undefined): string {
    if (location === undefined || !URL.canParse(location, this.#options.url.href)) return "";
    return ` to ${new URL(location, this.#options.url).origin}`;
  }

  #explain(error: unknown): string {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (!CERTIFICATE.test(code)) return messageOf(error);
    return `the certificate of ${this.#options.url.hostname} is not accepted: ${messageOf(error)} (${code}); "ca_file" names a CA of your own`;
  }
}

/** @throws what goes wrong before the answer begins */
async function answer(request: ClientRequest, body: string): Promise<IncomingMessage> {
  const begun = once(request, "response") as Promise<[IncomingMessage]>;
  request.end(body);
  const [response] = await begun;
  return response;
}

/** What an answer says beyond its status is nobody's business; but a receiver is to get rid of it. */
async function drain(response: IncomingMessage): Promise<void> {
  let length = 0;
  response.on("error", () => undefined);
  response.on("data", (chunk: Buffer) => {
    length += chunk.length;
    if (length > BODY_LIMIT) response.destroy();
  });
  if (!response.closed) await once(response, "close").catch(() => undefined);
}

const lookups = new Serial();

/**
 * One at a time: a look-up keeps one of the process's four threads for files and names, for as long as the resolver takes, and cannot
 * be ended. All four in wait for a dead resolver would stop the daemon's files.
 */
const lookupInTurn: LookupFunction = (hostname, options, callback) => {
  void lookups.run(
    () =>
      new Promise<void>((done) => {
        lookup(hostname, options, (error, address, family) => {
          done();
          callback(error, address, family);
        });
      }),
  );
};
