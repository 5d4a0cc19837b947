import type { FlowStatus } from "../../pkg/plugin/status.ts";
import { formatAge } from "../../pkg/value/age.ts";
import type { Style } from "./style.ts";
import { type Column, fittingTable, type Layout } from "./table.ts";

const EXPIRES: Column = { title: "EXPIRES IN", right: true };

export function flowTable(flows: readonly FlowStatus[], style: Style, width: number): string[] {
  return flows.length === 0 ? ["no flows are alive"] : fittingTable(wide(flows), narrow(flows), style, width);
}

function wide(flows: readonly FlowStatus[]): Layout {
  return {
    columns: [...titles("TARGET", "FRONTEND", "PROTOCOL", "SOURCE", "LISTEN", "ENDPOINT", "STATE"), EXPIRES],
    rows: flows.map((flow) => ({
      cells: [
        flow.target,
        flow.frontend ?? "-",
        flow.protocol,
        flow.source,
        flow.listen,
        flow.endpoint_address,
        stateText(flow),
        expiryText(flow),
      ],
    })),
  };
}

function narrow(flows: readonly FlowStatus[]): Layout {
  return {
    columns: [...titles("TARGET", "SOURCE", "STATE"), EXPIRES],
    rows: flows.map((flow) => {
      const { frontend, protocol, listen, endpoint_address: endpoint } = flow;
      const through = frontend === undefined ? "" : ` (${frontend})`;
      return {
        cells: [flow.target, flow.source, stateText(flow), expiryText(flow)],
        notes: [{ text: `${protocol} to ${listen}${through}, and on to ${endpoint}` }],
      };
    }),
  };
}

function titles(...texts: readonly string[]): Column[] {
  return texts.map((title) => ({ title }));
}

function stateText({ state, ignored }: FlowStatus): string {
  return [state ?? [], ignored === true ? "ignored" : []].flat().join(", ") || "-";
}

function expiryText({ expires_in_s: seconds }: FlowStatus): string {
  return formatAge(seconds * 1000).replace(/^0ms$/, "now");
}
