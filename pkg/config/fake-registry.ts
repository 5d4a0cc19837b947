import type { FrontendKind, Plugin, TargetKind } from "../plugin/plugin.ts";
import { Registry } from "../plugin/registry.ts";

const refuse = (): never => {
  throw new Error("a loader creates nothing");
};

const command: TargetKind = {
  startsService: true,
  description: "needs an option, fills in another, and has a check of its own",
  options: {
    type: "object",
    additionalProperties: false,
    required: ["command"],
    properties: {
      command: { type: "string", minLength: 1, title: "command line", examples: ["sleep 1h"] },
      count: { type: "integer", minimum: 1, maximum: 9, default: 3 },
      env: { type: "object", additionalProperties: { type: "string" }, propertyNames: { pattern: "^[A-Z]+$" } },
      user: { anyOf: [{ type: "string" }, { type: "integer" }] },
    },
  },
  check: ({ options }) => {
    const text = (options as { command: string }).command;
    if (text === "explode") throw new Error("exploded");
    return text.startsWith("/") ? [{ path: ["options", "command"], message: "commands here don't begin with a slash" }] : [];
  },
  create: refuse,
};

const none: TargetKind = {
  startsService: false,
  description: "takes no options",
  options: { type: "object", additionalProperties: false },
  create: refuse,
};

const always: FrontendKind = {
  whenCold: "hold",
  description: "takes no options, and wants one route",
  options: { type: "object", additionalProperties: false, properties: {} },
  check: ({ routes }, target) => (routes.length > 2 ? [{ path: ["listen", 2], message: `too many ways to ${target.name}` }] : []),
  create: refuse,
};

const page: FrontendKind = {
  whenCold: "pass",
  description: "takes options",
  options: {
    type: "object",
    additionalProperties: false,
    properties: { content: { type: "string", default: "" }, endpoint: { type: "string", default: "/", pattern: "^/" } },
  },
  create: refuse,
};

const broken: TargetKind = {
  startsService: false,
  description: "brings a schema that is none",
  options: { type: "nonsense" },
  create: refuse,
};

const fake: Plugin<never> = { source: "fake", targets: { cmd: command, none, broken }, frontends: { always, http: page } };

const control: Plugin<{ socket: string }> = {
  source: "control",
  config: {
    type: "object",
    additionalProperties: false,
    properties: { socket: { type: "string", default: "/run/fake.sock" }, codec: { enum: ["json", "cbor"], default: "json" } },
  },
  check: ({ socket }: { socket: string }) => (socket.startsWith("/tmp/") ? [{ path: ["socket"], message: "not in /tmp" }] : []),
};

/** For tests: plugins whose kinds have schemas, defaults and checks, but do nothing. */
export function fakeRegistry(): Registry {
  return new Registry([
    { source: "fake", namespace: "static", plugin: fake },
    { source: "control", namespace: "ctl", plugin: control },
  ]);
}
