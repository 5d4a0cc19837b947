import { listOf } from "./nearest.ts";
import { positiveDuration } from "./positive-duration.ts";
import type { Report } from "./report.ts";
import type { LooseTarget } from "./schema.ts";
import type { ReadyConfig, ReadyProbe } from "./types.ts";
import type { Path } from "./yaml-document.ts";

type LooseReady = NonNullable<LooseTarget["ready"]>;

/** What of a target decides how it is probed. */
export interface Probed {
  /** undefined: the kind is unknown. */
  readonly startsService: boolean | undefined;
  readonly hasTcp: boolean;
  /** false: it may have more endpoints, which could not be read. */
  readonly complete: boolean;
}

/** undefined when something is wrong with it, which is noted. */
export function resolveReady(ready: LooseReady, probed: Probed, path: Path, report: Report): ReadyConfig | undefined {
  const timeoutMs = positiveDuration(ready.timeout, [...path, "timeout"], report);
  const probe = resolveProbe(ready, probed, path, report);
  return timeoutMs === undefined || probe === undefined ? undefined : { probe, timeoutMs };
}

function resolveProbe(ready: LooseReady, probed: Probed, path: Path, report: Report): ReadyProbe | undefined {
  const isGiven = ready.probe !== undefined;
  if (!isGiven && report.isRefused([...path, "probe"])) return undefined;
  const kind = ready.probe ?? (probed.startsService === true && probed.hasTcp ? "tcp" : "none");
  for (const [key, owner] of [
    ["path", "http"],
    ["command", "command"],
  ] as const) {
    if (ready[key] === undefined || kind === owner) continue;
    const instead = isGiven ? `the probe is ${listOf([kind], "and")}` : "no probe is named";
    report.key([...path, key], `"${key}" belongs to "probe: ${owner}", but ${instead}; name that probe, or leave this out`);
    return undefined;
  }
  if ((kind === "tcp" || kind === "http") && !probed.hasTcp && probed.complete) {
    report.value(
      [...path, "probe"],
      `a ${kind} probe needs a TCP endpoint, and the target has none; expected "command" or "none"`,
    );
    return undefined;
  }
  if (kind === "http") return { kind, path: ready.path ?? "/" };
  if (kind !== "command") return { kind };
  if (ready.command !== undefined) return { kind, command: ready.command };
  if (!report.isRefused([...path, "command"])) report.value(path, '"command" is missing; "probe: command" needs one');
  return undefined;
}
