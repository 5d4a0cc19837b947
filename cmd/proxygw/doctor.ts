/** `proxygw doctor`: looks at this machine and a configuration's needs, and says what would be in the way. Changes nothing. */
import { stringify } from "yaml";
import { systemClock } from "../../pkg/clock/clock.ts";
import { ConfigError } from "../../pkg/config/config-error.ts";
import { needsOf } from "../../pkg/config/needs.ts";
import { systemHost } from "../../pkg/dataplane/nft/system-host.ts";
import { examine, type Subject } from "../../pkg/doctor/doctor.ts";
import { SILENT } from "../../pkg/doctor/silent.ts";
import type { Finding } from "../../pkg/plugin/finding.ts";
import type { Registry } from "../../pkg/plugin/registry.ts";
import type { ToolRunner } from "../../pkg/process/process.ts";
import { systemTools } from "../../pkg/process/runner.ts";
import { configFlaw } from "./config-trust.ts";
import { type JsonReport, reportLines, styleFor } from "./doctor-report.ts";
import { isLocal } from "./own-address.ts";
import { readConfig } from "./config-thread.ts";
import { RuntimeDirectory } from "./runtime-directory.ts";

/**
 * A tool that takes longer hangs, or is as good as hanging to whoever waits for the report. Where the daemon grants more, it is for a
 * reason: the first question to nftables makes the kernel load a dozen modules.
 */
const TOOL_LIMIT_MS = 5000;

/** Exit statuses. */
const FINE = 0;
const BROKEN = 1;
const WRONG_CONFIG = 2;

export const FORMATS = ["table", "json", "yaml"] as const;
export type Format = (typeof FORMATS)[number];

export interface DoctorRun {
  readonly output: string;
  readonly status: number;
}

/** `file`: undefined where there is no configuration to look at. */
export async function runDoctor(file: string | undefined, registry: Registry, format: Format): Promise<DoctorRun> {
  const problems: Finding[] = [];
  const subject = file === undefined ? undefined : await subjectOf(file, registry, problems);
  const findings = [
    ...problems,
    ...(await examine({
      subject,
      registry,
      tools: shortTools(systemTools()),
      host: systemHost,
      clock: systemClock,
      isLocal,
    })),
  ];
  const status = problems.length > 0 ? WRONG_CONFIG : findings.some(({ severity }) => severity === "error") ? BROKEN : FINE;
  return { status, output: printed(file, findings, status, format) };
}

function printed(file: string | undefined, findings: readonly Finding[], status: number, format: Format): string {
  const report: JsonReport = { status, ...(file === undefined ? {} : { config: file }), findings };
  if (format === "json") return `${JSON.stringify(report, null, 2)}\n`;
  if (format === "yaml") return stringify(report);
  const about = file === undefined ? "this machine (no configuration: name one with --config FILE)" : `this machine, for ${file}`;
  const style = styleFor(process.env, process.stdout.isTTY ? process.stdout.columns : undefined);
  return `${reportLines(about, findings, style).join("\n")}\n`;
}

/** A wrong configuration is a finding for each mistake; the machine is looked at all the same. */
async function subjectOf(file: string, registry: Registry, problems: Finding[]): Promise<Subject | undefined> {
  try {
    const config = await readConfig(file, registry);
    const directory = new RuntimeDirectory(config.runtimeDir, SILENT);
    return {
      file,
      config,
      needs: needsOf(config, isLocal),
      flaw: await configFlaw(file, process.env),
      runtimeOwner: (await directory.isReadable()) ? await directory.livingOwner() : "unreadable",
      runtimeDirFlaw: await directory.flaw(),
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const { line, column, message, file: within } of error.problems) {
      const where = line === 0 ? within : `${within}:${line}:${column}`;
      problems.push({ id: "config-invalid", severity: "error", what: message, where });
    }
    return undefined;
  }
}

function shortTools(tools: ToolRunner): ToolRunner {
  return {
    run: (program, args, options = {}) => tools.run(program, args, { timeoutMs: TOOL_LIMIT_MS, ...options }),
  };
}
