import type { FromSchema, JSONSchema } from "json-schema-to-ts";
import { messageOf } from "../../pkg/fault/fault.ts";
import type { OptionProblem } from "../../pkg/plugin/plugin.ts";
import { parseAddrPort } from "../../pkg/value/addr-port.ts";
import { parseDuration } from "../../pkg/value/duration.ts";

const SHORTEST_MS = 100;
const LONGEST_MS = 60_000;

export const METRICS_CONFIG = {
  type: "object",
  title: "mapping",
  additionalProperties: false,
  properties: {
    listen: {
      type: "string",
      title: "address and port",
      description: "IP address and port where metrics are served. Either this or socket.",
      examples: ["127.0.0.1:9469"],
    },
    socket: {
      type: "string",
      title: "absolute path",
      description: "Absolute path of a Unix stream socket where metrics are served. Either this or listen.",
      pattern: "^/.*[^/]$",
      examples: ["/run/proxygw-metrics.sock"],
    },
    group: {
      type: "string",
      title: "group name",
      description: "Name of the group that may use the socket, besides the daemon's own user.",
      minLength: 1,
      examples: ["prometheus"],
    },
    timeout: {
      type: "string",
      title: "duration",
      description: "How long a scrape may take, 100ms to 1m: below what Prometheus grants it (scrape_timeout).",
      examples: ["5s"],
      default: "5s",
    },
  },
} as const satisfies JSONSchema;

export type MetricsConfig = FromSchema<typeof METRICS_CONFIG>;

export function checkMetricsConfig({ listen, socket, group, timeout }: MetricsConfig): OptionProblem[] {
  const problems: OptionProblem[] = [];
  const add = (path: string[], message: string): void => void problems.push({ path, message });
  if (listen === undefined && socket === undefined) {
    add([], 'it is not said where metrics are served; expected "listen" (such as "127.0.0.1:9469") or "socket"');
  }
  if (listen !== undefined && socket !== undefined) add(["socket"], '"listen" and "socket" exclude each other; leave one out');
  if (group !== undefined && socket === undefined) add(["group"], '"group" is for a socket only; leave it out');
  for (const [key, parse] of [
    ["listen", () => listen !== undefined && parseAddrPort(listen)],
    ["timeout", () => parseDuration(timeout)],
  ] as const) {
    try {
      parse();
    } catch (error) {
      add([key], messageOf(error));
    }
  }
  if (problems.length > 0) return problems;
  const timeoutMs = parseDuration(timeout);
  if (timeoutMs < SHORTEST_MS || timeoutMs > LONGEST_MS) add(["timeout"], `"${timeout}" is not between 100ms and 1m`);
  return problems;
}
