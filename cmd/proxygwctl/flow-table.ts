import type { FlowStatus } from "../../pkg/plugin/status.ts";
import { formatAge } from "../../pkg/value/age.ts";
import type { Style } from "./style.ts";
import { table } from "./table.ts";

const COLUMNS = [
  ...["TARGET", "FRONTEND", "PROTOCOL", "SOURCE", "LISTEN", "ENDPOINT", "STATE"].map((title) => ({ title })),
  { title: "EXPIRES IN", right: true as const },
];

export function flowTable(flows: readonly FlowStatus[], style: Style): string[] {
  if (flows.length === 0) return ["no flows are alive"];
  const rows = flows.map((flow) => ({
    cells: [
      flow.target,
      flow.frontend ?? "-",
      flow.protocol,
      flow.source,
      flow.listen,
      flow.endpoint_address,
      [flow.state ?? [], flow.ignored === true ? "ignored" : []].flat().join(", ") || "-",
      formatAge(flow.expires_in_s * 1000).replace(/^0ms$/, "now"),
    ],
  }));
  return table(COLUMNS, rows, style);
}
