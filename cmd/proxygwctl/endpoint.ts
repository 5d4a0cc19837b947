import { DEFAULT_CODEC, DEFAULT_SOCKET, type CodecName } from "../../pkg/ctl/packet.ts";
import { Fault, hasCode } from "../../pkg/fault/fault.ts";

export const DEFAULT_CONFIG = "/etc/proxygw.yaml";

/** Where the socket usually is: by default, and by the configuration of the Debian package and of docs/security.md. */
const USUAL_SOCKETS = [DEFAULT_SOCKET, "/run/proxygw/ctl.sock"];

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

export interface Files {
  /** @throws Fault CONFIG_INVALID, CONFIG_FORBIDDEN with a message that names the file */
  readonly readConfig: (path: string) => Promise<Endpoint>;
  readonly exists: (path: string) => boolean;
}

/**
 * The options, then the configuration file, then the usual sockets. The file is not read where the options say it all, and members of the
 * socket's group need not be able to read it: what it runs may hold secrets.
 * @throws as `files.readConfig`
 */
export async function findEndpoint({ config, socket, codec }: EndpointOptions, files: Files): Promise<Endpoint> {
  const given = codec === undefined ? {} : { codec, isCodecGiven: true };
  if (socket !== undefined && (codec !== undefined || config === undefined)) {
    return { socket, codec: DEFAULT_CODEC, origin: "options", ...given };
  }
  try {
    const found = await files.readConfig(config ?? DEFAULT_CONFIG);
    return { socket: socket ?? found.socket, codec: found.codec, ...given };
  } catch (error) {
    if (config === undefined && hasCode(error, "CONFIG_FORBIDDEN")) {
      const usual = USUAL_SOCKETS.find((path) => files.exists(path)) ?? DEFAULT_SOCKET;
      return { socket: usual, codec: DEFAULT_CODEC, origin: "defaults", ...given };
    }
    if (socket !== undefined || !(error instanceof Fault)) throw error;
    throw new Fault(error.code, `${error.message}\n(with --socket PATH no configuration is read)`);
  }
}
