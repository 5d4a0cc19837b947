import { access, constants } from "node:fs/promises";
import { Fault, hasCode } from "../fault/fault.ts";
import { ConfigError } from "./config-error.ts";
import { listOf } from "./nearest.ts";
import { readText } from "./read-text.ts";
import { Report } from "./report.ts";
import { Source } from "./source.ts";
import { YamlDocument } from "./yaml-document.ts";
import { isMapping } from "./yaml-plain.ts";

const CODECS = ["json", "cbor"] as const;

/** What proxygwctl takes from the daemon's configuration file. */
export interface CtlConfig {
  /** Path of the daemon's control socket. */
  readonly socket: string;
  readonly codec: (typeof CODECS)[number];
}

const DEFAULTS: CtlConfig = { socket: "/run/proxygw.sock", codec: "json" };

/**
 * Reads `plugins.ctl.socket` and `plugins.ctl.codec`, and looks at nothing else: the rest is the daemon's to check, and
 * its schemas would take longer to load than proxygwctl takes to run.
 * @throws Fault CONFIG_INVALID, or CONFIG_FORBIDDEN where the user may not read it; its message is what ConfigError.format() would print
 */
export async function readCtlConfig(path: string): Promise<CtlConfig> {
  try {
    return parseCtlConfig(await readText(path), path);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new Fault((await isForbidden(path)) ? "CONFIG_FORBIDDEN" : "CONFIG_INVALID", error.format());
  }
}

async function isForbidden(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK);
    return false;
  } catch (error) {
    return hasCode(error, "EACCES") || hasCode(error, "EPERM");
  }
}

/** @throws ConfigError */
export function parseCtlConfig(text: string, file: string): CtlConfig {
  const report = new Report(new YamlDocument(new Source(file, text)), []);
  const plugins = mapping(report, report.document.value, ["plugins"]);
  const ctl = mapping(report, plugins, ["plugins", "ctl"]);
  const { socket, codec } = { socket: ctl.socket ?? DEFAULTS.socket, codec: ctl.codec ?? DEFAULTS.codec };
  const isPath = typeof socket === "string" && socket !== "";
  if (!isPath)
    report.value(["plugins", "ctl", "socket"], `expected the path of the control socket, such as "${DEFAULTS.socket}"`);
  const known = CODECS.find((each) => each === codec);
  if (known === undefined) report.value(["plugins", "ctl", "codec"], `unknown codec; expected ${listOf(CODECS, "or")}`);
  report.finish();
  return { socket: isPath ? socket : DEFAULTS.socket, codec: known ?? DEFAULTS.codec };
}

/** The mapping at the last step of `path` within `parent`; empty when nothing is there. */
function mapping(report: Report, parent: unknown, path: readonly string[]): Record<string, unknown> {
  const value = isMapping(parent) ? parent[path.at(-1) ?? ""] : undefined;
  if (isMapping(value)) return value;
  if (value !== undefined && value !== null) report.value(path, `${path.join(".")}: expected a mapping`);
  return {};
}
