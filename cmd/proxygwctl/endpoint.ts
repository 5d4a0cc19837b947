import { DEFAULT_CODEC, DEFAULT_SOCKET, type CodecName } from "../../pkg/ctl/packet.ts";
import { Fault, hasCode } from "../../pkg/fault/fault.ts";

export const DEFAULT_CONFIG = "/etc/proxygw.yaml";

/** How the daemon is reached. */
export interface Endpoint {
  readonly socket: string;
  readonly codec: CodecName;
  /** Where the two come from, for what is said when they don't work; undefined: from a configuration file. */
  readonly origin?: "options" | "defaults";
  /** Whether --codec was given. */
  readonly isCodecGiven?: boolean;
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
  const given = codec === undefined ? {} : { codec, isCodecGiven: true };
  if (socket !== undefined && (codec !== undefined || config === undefined)) {
    return { socket, codec: DEFAULT_CODEC, origin: "options", ...given };
  }
  try {
    const found = await readConfig(config ?? DEFAULT_CONFIG);
    return { socket: socket ?? found.socket, codec: found.codec, ...given };
  } catch (error) {
    if (config === undefined && hasCode(error, "CONFIG_FORBIDDEN")) {
      return { socket: DEFAULT_SOCKET, codec: DEFAULT_CODEC, origin: "defaults", ...given };
    }
    if (socket !== undefined || !(error instanceof Fault)) throw error;
    throw new Fault(error.code, `${error.message}\n(with --socket PATH no configuration is read)`);
  }
}
