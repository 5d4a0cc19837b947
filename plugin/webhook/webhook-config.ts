import type { FromSchema, JSONSchema } from "json-schema-to-ts";
import { messageOf } from "../../pkg/fault/fault.ts";
import type { OptionProblem } from "../../pkg/plugin/plugin.ts";
import { parseDuration } from "../../pkg/value/duration.ts";
import { EVENT_NAMES } from "./selection.ts";

const SHORTEST_MS = 100;
const LONGEST_MS = 60_000;

const HOOK = {
  type: "object",
  title: "hook",
  description: "A receiver, and what it is told.",
  additionalProperties: false,
  required: ["name", "url", "events"],
  properties: {
    name: { type: "string", minLength: 1, title: "name", description: "What the log calls it; unique.", examples: ["ops"] },
    url: {
      type: "string",
      title: "URL",
      description: "Where messages are posted, http or https. The log shows no more of it than its host.",
      examples: ["https://ops.example/hooks/proxygw"],
    },
    events: {
      type: "array",
      title: "list of events",
      description:
        "Which events are sent: a type (target_state) or a type with the state, outcome or gate (target_state.active).",
      minItems: 1,
      items: { type: "string", title: "event", enum: EVENT_NAMES },
      examples: [["target_state.active", "target_state.failed"]],
    },
    secret_file: {
      type: "string",
      title: "absolute path",
      description:
        "File with the secret that messages are signed with, as whsec_ and base64; with several lines, by each of them.",
      pattern: "^/.*[^/]$",
      examples: ["/etc/proxygw-webhook.secret"],
    },
    ca_file: {
      type: "string",
      title: "absolute path",
      description: "File with certificates (PEM) of the only CAs that may vouch for the receiver. Default: the public ones.",
      pattern: "^/.*[^/]$",
      examples: ["/etc/ssl/ops-ca.pem"],
    },
    timeout: {
      type: "string",
      title: "duration",
      description: "How long an attempt may take, 100ms to 1m.",
      examples: ["10s"],
      default: "10s",
    },
    retries: {
      type: "integer",
      title: "number of retries",
      description: "Attempts after the first one: after 1 s, 2 s, 4 s and so on, at most 5 minutes.",
      minimum: 0,
      maximum: 100,
      default: 10,
    },
    queue: {
      type: "integer",
      title: "number of messages",
      description: "Messages that wait at most; with more, the oldest is lost.",
      minimum: 1,
      maximum: 10_000,
      default: 1000,
    },
  },
} as const satisfies JSONSchema;

export const WEBHOOK_CONFIG = {
  type: "object",
  title: "mapping",
  additionalProperties: false,
  required: ["hooks"],
  properties: {
    hooks: { type: "array", title: "list of hooks", description: "Who is told of what happens.", minItems: 1, items: HOOK },
  },
} as const satisfies JSONSchema;

export type WebhookConfig = FromSchema<typeof WEBHOOK_CONFIG>;
export type HookConfig = WebhookConfig["hooks"][number];

export function checkWebhookConfig({ hooks }: WebhookConfig): OptionProblem[] {
  const names = new Set<string>();
  return hooks.flatMap((hook, index) => {
    const problems: OptionProblem[] = [];
    const add = (key: keyof HookConfig, message: string): void => void problems.push({ path: ["hooks", index, key], message });
    if (names.has(hook.name)) add("name", `a second hook with the name "${hook.name}"`);
    names.add(hook.name);
    const url = URL.canParse(hook.url) ? new URL(hook.url) : undefined;
    if (url?.protocol !== "http:" && url?.protocol !== "https:") {
      add("url", 'this is not a URL of http or https; expected one such as "https://ops.example/hooks/proxygw"');
    } else if (hook.ca_file !== undefined && url.protocol === "http:") {
      add("ca_file", '"ca_file" is for https only; leave it out');
    }
    try {
      const ms = parseDuration(hook.timeout);
      if (ms < SHORTEST_MS || ms > LONGEST_MS) add("timeout", `"${hook.timeout}" is not between 100ms and 1m`);
    } catch (error) {
      add("timeout", messageOf(error));
    }
    return problems;
  });
}
