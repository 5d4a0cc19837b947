import { parseDuration } from "../value/duration.ts";
import { quote } from "./nearest.ts";
import type { Report } from "./report.ts";
import type { Path } from "./yaml-document.ts";

/** Milliseconds; undefined when `text` is undefined, no duration or not above 0, which is noted. */
export function positiveDuration(text: string | undefined, path: Path, report: Report): number | undefined {
  const ms = text === undefined ? undefined : report.parsed(path, () => parseDuration(text));
  if (ms === undefined || ms > 0) return ms;
  report.value(path, `${quote(text ?? "")} is too short; expected a duration above 0, such as "5m"`);
  return undefined;
}
