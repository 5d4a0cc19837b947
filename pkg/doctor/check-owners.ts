/** Who has what a daemon must have for itself: the table, the queue. */
import type { DataplaneConfig } from "../config/types.ts";
import { OWN_TABLE_REMEDY } from "../dataplane/nft/table-lock.ts";
import type { Finding } from "../plugin/finding.ts";

export interface OwnerFacts {
  /** Of the table; "unknown": a daemon that does not tell its pid. */
  readonly table: number | "unknown" | undefined;
  /** The netlink port of the socket that has the queue: by custom its owner's pid. */
  readonly queuePort: number | undefined;
  /** Of the runtime directory; undefined: nobody, or there is no configuration. */
  readonly runtimeDir: number | undefined;
}

/** The daemon of this configuration, if it runs. */
export function runningDaemon({ table, runtimeDir }: OwnerFacts): number | undefined {
  return runtimeDir !== undefined && (table === runtimeDir || table === "unknown") ? runtimeDir : undefined;
}

/** `hasConfig`: else any daemon on the machine is as good as another. */
export function ownerFindings(
  facts: OwnerFacts,
  { table, queue }: Pick<DataplaneConfig, "table" | "queue">,
  hasConfig: boolean,
): Finding[] {
  const running = runningDaemon(facts);
  const where = `table "inet ${table}"`;
  if (running !== undefined || (!hasConfig && facts.table !== undefined)) {
    const pid = running ?? facts.table;
    const what = `proxygw is running (${pid === "unknown" ? "its pid cannot be told" : `pid ${String(pid)}`}): what it has set up is part of what was looked at`;
    return [{ id: "daemon-running", severity: "note", what, where }];
  }
  const findings: Finding[] = [];
  if (facts.table !== undefined) {
    const who = facts.table === "unknown" ? "another proxygw" : `another proxygw (pid ${facts.table})`;
    findings.push({ id: "table-in-use", severity: "error", what: `${who} owns the table`, where, remedy: OWN_TABLE_REMEDY });
  } else if (facts.runtimeDir !== undefined) {
    findings.push({
      id: "runtime-dir-in-use",
      severity: "error",
      what: `the runtime directory is in use by another proxygw (pid ${facts.runtimeDir})`,
      where: "runtime_dir",
      remedy: "give this one its own with runtime_dir",
    });
  }
  if (facts.queuePort !== undefined) {
    findings.push({
      id: "queue-in-use",
      severity: hasConfig ? "error" : "warning",
      what: `packet queue ${queue} is held by another program (netlink port ${facts.queuePort}, often its process id)`,
      where: "dataplane.queue",
      remedy: "give this one another number with dataplane.queue",
    });
  }
  return findings;
}
