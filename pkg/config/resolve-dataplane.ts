import type { Report } from "./report.ts";
import type { LooseConfig } from "./schema.ts";
import type { DataplaneConfig } from "./types.ts";

/** Marks that are bits of the same word, so that each needs its own: ignore_mark lives in the connection's. */
const PACKET_MARKS = ["masquerade_mark", "queue_mark", "refuse_mark"] as const;

/** Meaningful only when nothing was noted. */
export function resolveDataplane(given: LooseConfig["dataplane"], report: Report): DataplaneConfig {
  const dataplane = given ?? {};
  const taken = new Map<number, string>();
  for (const key of [...PACKET_MARKS, "ignore_mark"] as const) {
    const mark = dataplane[key];
    if (mark === undefined) continue;
    const path = ["dataplane", key];
    const hex = `0x${mark.toString(16)}`;
    const other = taken.get(mark);
    if (!Number.isInteger(Math.log2(mark))) {
      report.value(path, `${hex} is more than one bit; expected a power of two from 0x1 to 0x80000000, such as 0x40000000`);
    } else if (key !== "ignore_mark" && other !== undefined) {
      report.value(path, `${hex} is the bit of ${other} already; expected a bit of its own`);
    } else taken.set(mark, key);
  }
  const { masquerade_mark = 0, queue_mark = 0, refuse_mark = 0, ignore_mark = 0 } = dataplane;
  return {
    table: dataplane.table ?? "",
    queue: dataplane.queue ?? 0,
    marks: { masquerade: masquerade_mark, queue: queue_mark, refuse: refuse_mark, ignore: ignore_mark },
    manageSysctls: dataplane.manage_sysctls ?? true,
    wildcardOverlap: dataplane.wildcard_overlap ?? "refuse",
    fastpath: dataplane.fastpath === "flowtable" ? "on" : (dataplane.fastpath ?? "off"),
  };
}
