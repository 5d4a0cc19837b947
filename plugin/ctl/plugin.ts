/**
 * Plugin ctl: the control socket, by which proxygwctl and other programs see and steer the daemon.
 *
 * Owns the socket file and its connections. Must not keep state about targets or frontends: each request is one call of
 * the engine.
 */
import type { FromSchema, JSONSchema } from "json-schema-to-ts";
import { codecOf } from "../../pkg/ctl/codecs.ts";
import { CODECS, DEFAULT_CODEC, DEFAULT_SOCKET } from "../../pkg/ctl/packet.ts";
import { groupId } from "../../pkg/listen/group.ts";
import type { EngineApi, Plugin } from "../../pkg/plugin/plugin.ts";
import { examineSocket } from "./examine.ts";
import { CtlServer } from "./server.ts";

const CONFIG = {
  type: "object",
  additionalProperties: false,
  properties: {
    socket: {
      type: "string",
      description: "Absolute path of the Unix stream socket.",
      pattern: "^/.*[^/]$",
      default: DEFAULT_SOCKET,
    },
    codec: { enum: CODECS, description: "How packets are written.", default: DEFAULT_CODEC },
    group: {
      type: "string",
      description: "Name of the group that may use the socket, besides the daemon's own user.",
      minLength: 1,
    },
  },
} as const satisfies JSONSchema;

/** The fields are optional, whether or not the loader fills in defaults. */
export type CtlConfig = Partial<FromSchema<typeof CONFIG>>;

export function ctlPlugin(): Plugin<CtlConfig> {
  let server: CtlServer | undefined;
  return {
    source: "ctl",
    config: CONFIG,
    examine: examineSocket,

    async onLoad(config: CtlConfig | undefined, engine: EngineApi, namespace: string): Promise<void> {
      if (config === undefined) {
        engine.log.debug("no control socket", { reason: `the configuration has no plugins.${namespace}` });
        return;
      }
      const started = new CtlServer({
        path: config.socket ?? DEFAULT_SOCKET,
        gid: config.group === undefined ? undefined : await groupId(config.group),
        codec: codecOf(config.codec ?? DEFAULT_CODEC),
        engine,
      });
      await started.start();
      server = started;
    },

    async onUnload(): Promise<void> {
      await server?.close();
      server = undefined;
    },
  };
}

export default ctlPlugin();
