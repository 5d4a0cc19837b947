import { DEFAULT_CODEC, DEFAULT_SOCKET, type CodecName } from "../../pkg/ctl/packet.ts";
import { hasCode } from "../../pkg/fault/fault.ts";

export const DEFAULT_CONFIG = "/etc/proxygw.yaml";

/** How the daemon is reached. */
export interface Endpoint {
  readonly socket: string;
  readonly codec: CodecName;
  /** Where the two come from, for what is said when they don't work; undefined: from a configuration file. */
  readonly origin?: "options" | "defaults";
}

export interface EndpointOptions {
  /** Undefined: the usual one. */
  readonly config?: string;
  readonly socket?: string;
  readonly codec?: CodecName;
}

/** @throws Fault CONFIG_INVALID, CONFIG_FORBIDDEN with a message that names the file */
export type ReadConfig = (path: string) => Promise<Endpoint>;

/**
 * The options, then the configuration file, then the defaults. The file is not read where the options say it all, and members of the
 * socket's group need not be able to read it: what it runs may hold secrets.
 * @throws as `readConfig`
 */
export async function findEndpoint({ config, socket, codec }: EndpointOptions, readConfig: ReadConfig): Promise<Endpoint> {
  if (socket !== undefined && (codec !== undefined || config === undefined)) {
    return { socket, codec: codec ?? DEFAULT_CODEC, origin: "options" };
  }
  try {
    const found = await readConfig(config ?? DEFAULT_CONFIG);
    return { socket: socket ?? found.socket, codec: codec ?? found.codec };
  } catch (error) {
    if (config !== undefined || !hasCode(error, "CONFIG_FORBIDDEN")) throw error;
    return { socket: DEFAULT_SOCKET, codec: codec ?? DEFAULT_CODEC, origin: "defaults" };
  }
}
