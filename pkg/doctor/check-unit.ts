/** What systemd makes of the daemon's unit. */
import type { Finding } from "../plugin/finding.ts";
import type { ToolRunner } from "../process/process.ts";

const UNIT = "proxygw.service";

/** undefined: process 1 is not systemd, or does not answer. */
export type UnitFacts = Readonly<Record<string, string>> | undefined;

export async function collectUnit(tools: ToolRunner): Promise<UnitFacts> {
  const properties = ["LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "NeedDaemonReload"];
  const { exitCode, stdout } = await tools.run("systemctl", ["show", UNIT, `--property=${properties.join(",")}`]);
  if (exitCode !== 0) return undefined;
  return Object.fromEntries(
    stdout.split("\n").flatMap((line): [string, string][] => {
      const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
      return key === undefined || value === undefined ? [] : [[key, value]];
    }),
  );
}

export function unitFindings(facts: UnitFacts): Finding[] {
  const { LoadState: load, ActiveState: active, SubState: sub, UnitFileState: file, Result: result } = facts ?? {};
  if (facts === undefined || load === undefined) return [];
  const where = UNIT;
  if (load === "not-found") {
    const remedy = "cp init/systemd/proxygw.service /etc/systemd/system/ && systemctl daemon-reload";
    return [{ id: "unit", severity: "note", what: "systemd has no unit for proxygw", where, remedy }];
  }
  if (load !== "loaded") {
    const what = `systemd cannot load the unit (${load})`;
    return [{ id: "unit", severity: "error", what, where, remedy: `systemctl status ${UNIT}` }];
  }
  const findings: Finding[] = [];
  if (facts["NeedDaemonReload"] === "yes") {
    const what = "the unit's file has changed since systemd read it";
    findings.push({ id: "unit-changed", severity: "warning", what, where, remedy: "systemctl daemon-reload" });
  }
  if (active === "failed") {
    const what = `the unit has failed (${result ?? "unknown"})`;
    return [...findings, { id: "unit", severity: "error", what, where, remedy: `journalctl -u ${UNIT} -e` }];
  }
  const what = `the unit is ${active ?? "unknown"} (${sub ?? "unknown"}), ${file === "" ? "not installed" : (file ?? "unknown")}`;
  if (active === "active" && file === "enabled") return [...findings, { id: "unit", severity: "ok", what, where }];
  const remedy = `systemctl enable --now ${UNIT}`;
  return [...findings, { id: "unit", severity: "note", what, where, remedy }];
}
