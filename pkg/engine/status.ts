/** Targets and frontends as the status shows them. */
import type { KindReference } from "../config/types.ts";
import type { Frontend } from "../frontend/frontend.ts";
import type { FrontendStatus, TargetStatus } from "../plugin/plugin.ts";
import type { Clock } from "../clock/clock.ts";
import type { Target } from "../target/target.ts";
import type { Wake } from "../target/wake.ts";
import { type AddrPort, formatAddrPort } from "../value/addr-port.ts";
import type { TrafficView } from "./traffic.ts";

export function targetStatus(target: Target, clock: Clock, traffic?: TrafficView): TargetStatus {
  const { config, history } = target;
  return {
    name: config.name,
    kind: formatKind(config.kind),
    state: target.state,
    since: target.since.toISOString(),
    idle_timeout_ms: config.idleTimeoutMs,
    ...activeFields(target, clock),
    ...positive({ wakes: history.wakes, drains: history.drains, failures: history.failures }),
    ...(traffic === undefined ? {} : { traffic: traffic.target(target) }),
    ...errorFields(target.lastError),
    ...wakeFields(history.lastWake),
    endpoints: config.endpoints.map(({ name, protocol, addresses }) => {
      const { first, all } = addressList(addresses);
      return { name, protocol, address: first, ...(all === undefined ? {} : { addresses: all }) };
    }),
  };
}

export async function frontendStatus(frontend: Frontend, traffic?: TrafficView): Promise<FrontendStatus> {
  const { config } = frontend;
  const counters = await frontend.traffic();
  const listen = addressList(config.routes.map((route) => route.listen));
  const proxy = addressList(config.routes.map((route) => route.endpoint));
  return {
    name: config.name,
    kind: formatKind(config.kind),
    state: frontend.state,
    since: frontend.since.toISOString(),
    ...(traffic === undefined ? {} : { traffic: traffic.frontend(frontend) }),
    ...errorFields(frontend.lastError),
    protocol: config.protocol,
    listen: listen.first,
    ...(listen.all === undefined ? {} : { listens: listen.all }),
    target_name: config.target,
    endpoint_name: config.endpoint,
    proxyaddress: proxy.first,
    ...(proxy.all === undefined ? {} : { proxyaddresses: proxy.all }),
    ...(counters === undefined ? {} : counterFields(counters)),
  };
}

function formatKind({ namespace, name }: KindReference): string {
  return `${namespace}:${name}`;
}

function errorFields(error: { message: string; date: Date } | undefined): { last_error?: string; last_error_at?: string } {
  return error === undefined ? {} : { last_error: error.message, last_error_at: error.date.toISOString() };
}

function wakeFields(wake: Wake | undefined): Pick<TargetStatus, "last_wake"> {
  if (wake === undefined) return {};
  const { date, tookMs, ...cause } = wake;
  return { last_wake: { ...cause, at: date.toISOString(), took_ms: tookMs } };
}

function activeFields(target: Target, clock: Clock): Pick<TargetStatus, "idle_due" | "wanted_by"> {
  const parties = target.state === "active" ? target.wants.all() : [];
  const due = target.idleDue;
  return {
    // a moment in the past is one at which somebody is about to look
    ...(due === undefined ? {} : { idle_due: new Date(clock.date().getTime() + Math.max(0, due - clock.now())).toISOString() }),
    ...(parties.length > 0 ? { wanted_by: parties } : {}),
  };
}

function counterFields({
  timedOut,
  ...counters
}: NonNullable<Awaited<ReturnType<Frontend["traffic"]>>>): Partial<FrontendStatus> {
  return positive({ ...counters, timed_out: timedOut });
}

function positive<T extends Readonly<Record<string, number>>>(counts: T): Partial<T> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)) as Partial<T>;
}

/** The list too only when it says more than its first member. */
function addressList(addresses: readonly AddrPort[]): { first: string; all?: string[] } {
  const all = addresses.map(formatAddrPort);
  return all.length > 1 ? { first: all[0] ?? "", all } : { first: all[0] ?? "" };
}
