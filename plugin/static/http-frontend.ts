import type { FrontendContext, FrontendHandler } from "../../pkg/frontend/handler.ts";
import type { FrontendKind } from "../../pkg/plugin/plugin.ts";
import { formatAddrPort } from "../../pkg/value/addr-port.ts";
import type { AddrPort } from "../../pkg/value/addr-port.ts";
import { checkHttpFrontend, HTTP_OPTIONS } from "./http-options.ts";
import { examinePage } from "./page-examine.ts";
import type { HttpOptions } from "./http-options.ts";
import { PageServer } from "./page-server.ts";

/**
 * Serves a page on the frontend's own addresses; each request asks for the target. Once the target is active, the dataplane
 * takes new connections before they get here, so those that are open are closed.
 */
export class HttpFrontend implements FrontendHandler {
  readonly #context: FrontendContext<HttpOptions>;
  #page: HttpOptions;
  #servers: PageServer[] = [];
  #unsubscribe: (() => void) | undefined;

  constructor(context: FrontendContext<HttpOptions>) {
    this.#context = context;
    this.#page = context.options;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { clock, listen, target } = this.#context;
    try {
      for (const address of listen) {
        signal.throwIfAborted();
        const onRequest = (client: AddrPort): void => {
          target.warm(`request from ${client.address}`, formatAddrPort(client));
        };
        const server = new PageServer({ address, page: () => this.#page, clock, onRequest });
        await server.start();
        this.#servers.push(server);
      }
      signal.throwIfAborted();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#unsubscribe = target.onState((state) => {
      if (state !== "active") return;
      for (const server of this.#servers) server.release();
    });
  }

  reconfigure(options: unknown): () => void {
    return () => {
      this.#page = options as HttpOptions;
    };
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    await Promise.all(this.#servers.splice(0).map((server) => server.close()));
  }

  close(): Promise<void> {
    return this.stop();
  }
}

export const HTTP_KIND: FrontendKind<never> = {
  description: "Serves a page while the target is not active; each request starts the target.",
  whenCold: "pass",
  options: HTTP_OPTIONS,
  check: checkHttpFrontend,
  examine: examinePage,
  create: (context) => new HttpFrontend(context),
};
