import type { FromSchema, JSONSchema } from "json-schema-to-ts";
import type { FrontendConfig, TargetConfig } from "../../pkg/config/types.ts";
import type { OptionProblem } from "../../pkg/plugin/plugin.ts";
import { formatAddrPort, isLoopback, isWildcard, overlaps } from "../../pkg/value/addr-port.ts";
import type { AddrPort } from "../../pkg/value/addr-port.ts";

export const HTTP_OPTIONS = {
  type: "object",
  additionalProperties: false,
  properties: {
    content: {
      type: "string",
      title: "text",
      description: "Body of the page.",
      default: "Starting…\n",
    },
    endpoint: {
      type: "string",
      title: "path",
      description: "Path of the page, from the first slash on, without a query.",
      examples: ["/"],
      // printable ASCII less "#" and "?"
      pattern: '^/[!-"$->@-~]*$',
      default: "/",
    },
    status: {
      type: "integer",
      title: "status",
      description: "HTTP status of the page.",
      examples: [503],
      minimum: 200,
      maximum: 599,
      default: 200,
    },
    content_type: {
      type: "string",
      title: "media type",
      description: 'Type of the page. Default: text/html when content begins with "<", otherwise text/plain.',
      examples: ["application/json"],
      pattern: "^[!-~][ -~]*$",
    },
  },
} as const satisfies JSONSchema;

export type HttpOptions = FromSchema<typeof HTTP_OPTIONS>;

export function contentType({ content, content_type }: HttpOptions): string {
  return content_type ?? (content.trimStart().startsWith("<") ? "text/html; charset=utf-8" : "text/plain; charset=utf-8");
}

export function checkHttpFrontend({ protocol, routes }: FrontendConfig, target: TargetConfig): OptionProblem[] {
  if (protocol !== "tcp") {
    return [
      {
        path: ["protocol"],
        message: `a page is served over tcp, but this frontend's protocol is ${protocol}; use an endpoint of protocol tcp`,
      },
    ];
  }
  const service = target.endpoints.filter((each) => each.protocol === "tcp").flatMap(({ addresses }) => addresses);
  return routes.flatMap(({ listen }, index) => {
    const taken = service.find((address) => isInTheWay(listen, address));
    if (taken === undefined) return [];
    const path = routes.length === 1 ? ["listen"] : ["listen", index];
    return [{ path, message: inTheWay(listen, taken, target.name) }];
  });
}

/** The page holds its socket all the time; of remote services it takes nothing away. */
function isInTheWay(listen: AddrPort, service: AddrPort): boolean {
  return overlaps(listen, service) && (listen.address === service.address || isLoopback(service) || isWildcard(service));
}

function inTheWay(listen: AddrPort, service: AddrPort, target: string): string {
  return (
    `the page's socket on ${formatAddrPort(listen)} would keep target "${target}" from listening on ${formatAddrPort(service)} ` +
    `(address in use); let the service use another port, or listen on another address`
  );
}
