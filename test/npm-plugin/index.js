/**
 * A plugin in an npm package of its own.
 *
 * Target kind `file`: a file exists while the target is warm, for a service that watches for it.
 * Frontend kind `once`: its target is warmed when the frontend starts, and may become idle after that.
 */
import { rm, writeFile } from "node:fs/promises";

const file = {
  startsService: true,
  description: "A file that exists while the target is warm.",
  options: {
    type: "object",
    additionalProperties: false,
    required: ["path"],
    properties: {
      path: {
        type: "string",
        title: "absolute path",
        pattern: "^/",
        description: "Path of the file.",
        examples: ["/run/wanted"],
      },
      content: { type: "string", description: "What the file holds. Default: nothing.", default: "" },
    },
  },
  check({ endpoints }) {
    return endpoints.length > 0
      ? []
      : [{ path: ["endpoints"], message: "a file needs an endpoint: that of the service which watches for it" }];
  },
  create({ options, log }) {
    const remove = () => rm(options.path, { force: true });
    return {
      async warm(signal) {
        signal.throwIfAborted();
        await writeFile(options.path, options.content);
        log.debug("file written", { path: options.path });
      },
      drain: remove,
      close: remove,
    };
  },
};

const once = {
  whenCold: "hold",
  description: "Warms its target once, when it starts.",
  options: { type: "object", additionalProperties: false },
  create({ target }) {
    return {
      async start() {
        target.warm("frontend started");
      },
      async stop() {},
      async close() {},
    };
  },
};

export default { source: "proxygw-plugin-marker", targets: { file }, frontends: { once } };
