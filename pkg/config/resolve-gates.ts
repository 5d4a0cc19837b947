import { parseCidr } from "../value/cidr.ts";
import { parseRate } from "../value/rate.ts";
import { quote } from "./nearest.ts";
import { positiveDuration } from "./positive-duration.ts";
import type { Report } from "./report.ts";
import type { LooseFrontend } from "./schema.ts";
import type { GatesConfig, HoldConfig, WhenCold } from "./types.ts";
import type { Path } from "./yaml-document.ts";

/** `whenCold` is the kind's; undefined: the kind is unknown. Returns undefined when something is wrong, which is noted. */
export function resolveGates(
  frontend: LooseFrontend,
  whenCold: WhenCold | undefined,
  path: Path,
  report: Report,
): GatesConfig | undefined {
  for (const key of ["ignore", "wake_limit"]) {
    if (whenCold !== "pass" || !report.document.holds([...path, key])) continue;
    const kind = quote(frontend.kind ?? "");
    report.key(
      [...path, key],
      `whoever may reach a frontend of kind ${kind} wakes its target; leave "${key}" out, or use "deny"`,
    );
    return undefined;
  }
  const [allow, deny, ignore] = (["allow", "deny", "ignore"] as const).map((key) => {
    const given = frontend[key];
    const texts = typeof given === "string" ? [given] : given;
    const blocks = texts?.map((text, index) => {
      const own = typeof given === "string" ? [...path, key] : [...path, key, index];
      return text === undefined ? undefined : report.parsed(own, () => parseCidr(text));
    });
    const read = blocks?.filter((each) => each !== undefined);
    return read?.length === blocks?.length ? read : undefined;
  });
  const { wake_limit: limit } = frontend;
  const wakeLimit = limit === undefined ? undefined : report.parsed([...path, "wake_limit"], () => parseRate(limit));
  const isLimitWrong = wakeLimit === undefined && report.isRefused([...path, "wake_limit"]);
  if (allow === undefined || deny === undefined || ignore === undefined || isLimitWrong) return undefined;
  return { allow, deny, ignore, ...(wakeLimit === undefined ? {} : { wakeLimit }) };
}

/** As resolveGates(). */
export function resolveHold(
  frontend: LooseFrontend,
  whenCold: WhenCold | undefined,
  path: Path,
  report: Report,
): HoldConfig | undefined {
  const own = [...path, "hold"];
  if (whenCold !== undefined && whenCold !== "hold" && report.document.holds(own)) {
    report.key(own, `a frontend of kind ${quote(frontend.kind ?? "")} holds no packets; leave "hold" out`);
    return undefined;
  }
  const timeoutMs = positiveDuration(frontend.hold?.timeout, [...own, "timeout"], report);
  const maxFlows = frontend.hold?.max_flows;
  return timeoutMs === undefined || maxFlows === undefined ? undefined : { timeoutMs, maxFlows };
}
