import { constants } from "node:os";
import type { FromSchema, JSONSchema } from "json-schema-to-ts";
import { Fault, messageOf } from "../../pkg/fault/fault.ts";
import type { OptionProblem } from "../../pkg/plugin/plugin.ts";
import { parseDuration } from "../../pkg/value/duration.ts";
import type { Accounts } from "./accounts.ts";

/** The greatest number of a user or group; the one above means "none" to the kernel. */
const LAST_ID = 2 ** 32 - 2;

const ID = { type: ["string", "integer"], minLength: 1, minimum: 0, maximum: LAST_ID } as const;

export const CMD_OPTIONS = {
  type: "object",
  additionalProperties: false,
  required: ["command"],
  properties: {
    command: {
      type: "string",
      title: "command",
      description: "Run as /bin/sh -c COMMAND; it stays in the foreground for as long as the service runs.",
      examples: ["python3 -m http.server 8080 --bind 127.0.0.1"],
      pattern: "^[^\\0]*[^\\0\\s][^\\0]*$",
    },
    cwd: {
      type: "string",
      title: "absolute path of a directory",
      description: "Working directory.",
      examples: ["/srv/game"],
      pattern: "^/[^\\0]*$",
    },
    env: {
      type: "object",
      title: "mapping of names to texts",
      description: "Variables added to the daemon's environment.",
      propertyNames: { pattern: "^[^=\\0]+$" },
      additionalProperties: { type: "string", pattern: "^[^\\0]*$" },
      default: {},
    },
    user: { ...ID, title: "user name or number", description: "User to run as.", examples: ["games"] },
    group: {
      ...ID,
      title: "group name or number",
      description: "Group to run as; the user's own by default.",
      examples: ["games"],
    },
    stop_signal: {
      type: "string",
      title: "signal name",
      description: "Sent to the command and all that it started when the target is stopped.",
      examples: ["SIGTERM"],
      default: "SIGINT",
    },
    stop_timeout: {
      type: "string",
      title: "duration",
      description: "What still runs so long after stop_signal is killed.",
      examples: ["30s"],
      default: "5s",
    },
  },
} as const satisfies JSONSchema;

export type CmdOptions = FromSchema<typeof CMD_OPTIONS>;

/** `SIGTERM` or `TERM`, in any case. @throws Fault VALUE_INVALID */
export function parseSignal(text: string): NodeJS.Signals {
  const upper = text.toUpperCase();
  const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  if (isSignal(name)) return name;
  throw new Fault(
    "VALUE_INVALID",
    `"${text}" is not the name of a signal; expected one such as "SIGINT", "SIGTERM" or "SIGQUIT"`,
  );
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name);
}

/** Milliseconds. @throws Fault VALUE_INVALID */
export function parseStopTimeout(text: string): number {
  const ms = parseDuration(text);
  if (ms < 0) throw new Fault("VALUE_INVALID", `"${text}" is below zero; expected a duration such as "5s"`);
  return ms;
}

export function checkCmdOptions(options: CmdOptions, accounts: Accounts): OptionProblem[] {
  return [
    ...problemOf("stop_signal", () => parseSignal(options.stop_signal)),
    ...problemOf("stop_timeout", () => parseStopTimeout(options.stop_timeout)),
    ...problemOf("group", () => accounts.account(undefined, options.group)),
    // what is wrong with the group is told already
    ...problemOf("user", () => accounts.account(options.user, options.group === undefined ? undefined : 0)),
  ];
}

function problemOf(key: keyof CmdOptions, step: () => unknown): OptionProblem[] {
  try {
    step();
    return [];
  } catch (error) {
    return [{ path: ["options", key], message: messageOf(error) }];
  }
}
