/** The daemon's own files: its log, its runtime directory, and who could change its configuration. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Config } from "../config/types.ts";
import { hasCode } from "../fault/fault.ts";
import type { Finding } from "../plugin/finding.ts";

export interface FileFacts {
  /** Why the daemon refuses the configuration. */
  readonly configFlaw: string | undefined;
  /** Why the daemon refuses the runtime directory. */
  readonly runtimeDirFlaw: { readonly what: string; readonly remedy: string } | undefined;
  /** Why it could not be made or written to. */
  readonly runtimeDirTrouble: string | undefined;
  readonly logTrouble: string | undefined;
}

export function fileFindings(file: string, { log, runtimeDir }: Pick<Config, "log" | "runtimeDir">, facts: FileFacts): Finding[] {
  const findings: Finding[] = [];
  if (facts.configFlaw !== undefined) {
    const [what = "", remedy] = facts.configFlaw.split("; try: ");
    const asked = remedy === undefined ? {} : { remedy };
    findings.push({
      id: "config-untrusted",
      severity: "error",
      what: `the daemon refuses this file: ${what}`,
      where: file,
      ...asked,
    });
  }
  const where = `runtime_dir ${runtimeDir}`;
  if (facts.runtimeDirFlaw !== undefined) {
    const { what, remedy } = facts.runtimeDirFlaw;
    findings.push({
      id: "runtime-dir-untrusted",
      severity: "error",
      what: `it is not safe from other users: ${what}`,
      where,
      remedy,
    });
  }
  if (facts.runtimeDirTrouble !== undefined) {
    const remedy = "choose another runtime_dir, or run as root";
    findings.push({ id: "runtime-dir-unusable", severity: "error", what: facts.runtimeDirTrouble, where, remedy });
  }
  if (facts.logTrouble !== undefined) {
    const remedy = `mkdir -p ${dirname(log.output)}, or choose another file`;
    findings.push({ id: "log-unwritable", severity: "error", what: facts.logTrouble, where: `log.output ${log.output}`, remedy });
  }
  return findings;
}

/** Why a file could not be written, without writing it; undefined: it could. */
export async function fileTrouble(path: string): Promise<string | undefined> {
  const there = await stat(path).catch(() => undefined);
  if (there?.isDirectory() === true) return "it is a directory";
  if (there !== undefined) return accessTrouble(path);
  const directory = await stat(dirname(path)).catch(() => undefined);
  if (directory?.isDirectory() !== true) return `there is no directory ${dirname(path)}`;
  return accessTrouble(dirname(path));
}

/** Of a directory that is made, with those above it, when it is missing. */
export async function directoryTrouble(path: string): Promise<string | undefined> {
  for (let at = path; ; at = dirname(at)) {
    const there = await stat(at).catch((error: unknown) => (hasCode(error, "ENOENT") ? undefined : error));
    if (there === undefined && at !== "/") continue;
    if (there instanceof Error) return `${at} cannot be reached: ${there.message}`;
    const isDirectory = (there as { isDirectory?: () => boolean } | undefined)?.isDirectory?.() === true;
    return isDirectory ? accessTrouble(at) : `${at} is not a directory`;
  }
}

async function accessTrouble(path: string): Promise<string | undefined> {
  return access(path, constants.W_OK).then(
    () => undefined,
    (error: unknown) =>
      hasCode(error, "EROFS") ? `${path} is on a file system that is read-only` : `this user cannot write to ${path}`,
  );
}
