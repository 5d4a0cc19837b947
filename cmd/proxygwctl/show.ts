/** The commands that print what is: status and flows. */
import { Method } from "../../pkg/ctl/method.ts";
import type { FlowStatus } from "../../pkg/plugin/status.ts";
import { daemonStatus } from "./daemon-status.ts";
import { flowTable } from "./flow-table.ts";
import { withMeaning } from "./meant.ts";
import { ANSWER_TIMEOUT_MS, FLOWS_TIMEOUT_MS, type Session } from "./session.ts";
import { statusTable } from "./status-table.ts";

export const FORMATS = ["table", "json", "yaml"] as const;
export type Format = (typeof FORMATS)[number];

export interface StatusOptions {
  readonly output?: Format;
  readonly traffic?: boolean;
}

export async function showStatus(session: Session, names: readonly string[], options: StatusOptions): Promise<void> {
  const { isTerminal, clock, style, columns } = session.surroundings;
  const format = options.output ?? (isTerminal ? "table" : "json");
  const { traffic = format === "table" } = options;
  const body = { ...(names.length > 0 ? { names } : {}), ...(traffic ? { traffic } : {}) };
  const timeoutMs = traffic ? FLOWS_TIMEOUT_MS : ANSWER_TIMEOUT_MS;
  const answer = session.ask({ method: Method.statusRequest, body, timeoutMs });
  const status = await withMeaning(session, "any", names, answer);
  if (format === "table") session.print(statusTable(daemonStatus(status), clock.date(), style, columns));
  else await printValue(session, format, status);
}

export async function showFlows(session: Session, target: string | undefined, format: Format | undefined): Promise<void> {
  const { isTerminal, style, columns } = session.surroundings;
  const body = target === undefined ? {} : { target };
  const answer = session.ask({ method: Method.flowsRequest, body, timeoutMs: FLOWS_TIMEOUT_MS });
  const flows = await withMeaning(session, "target", target === undefined ? [] : [target], answer);
  const chosen = format ?? (isTerminal ? "table" : "json");
  if (chosen !== "table") await printValue(session, chosen, flows);
  else session.print(flowTable((flows as { flows?: FlowStatus[] } | undefined)?.flows ?? [], style, columns));
}

async function printValue(session: Session, format: "json" | "yaml", value: unknown): Promise<void> {
  if (format === "json") {
    session.print([JSON.stringify(value ?? {}, null, 2)]);
    return;
  }
  const { stringify } = await import("yaml");
  session.surroundings.stdout(stringify(value ?? {}));
}
