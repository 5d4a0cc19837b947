/** Targets and frontends as the status shows them. */
import type { KindReference } from "../config/types.ts";
import type { Frontend } from "../frontend/frontend.ts";
import type { FrontendStatus, TargetStatus } from "../plugin/plugin.ts";
import type { Target } from "../target/target.ts";
import type { Wake } from "../target/wake.ts";
import { type AddrPort, formatAddrPort } from "../value/addr-port.ts";

export function targetStatus(target: Target): TargetStatus {
  const { config } = target;
  return {
    name: config.name,
    kind: formatKind(config.kind),
    state: target.state,
    since: new Date(0).toISOString(), // to be replaced
    idle_timeout_ms: config.idleTimeoutMs,
    ...errorFields(target.lastError),
    ...wakeFields(target.lastWake),
    endpoints: config.endpoints.map(({ name, protocol, addresses }) => {
      const { first, all } = addressList(addresses);
      return { name, protocol, address: first, ...(all === undefined ? {} : { addresses: all }) };
    }),
  };
}

export async function frontendStatus(frontend: Frontend): Promise<FrontendStatus> {
  const { config } = frontend;
  const traffic = await frontend.traffic();
  const listen = addressList(config.routes.map((route) => route.listen));
  const proxy = addressList(config.routes.map((route) => route.endpoint));
  return {
    name: config.name,
    kind: formatKind(config.kind),
    state: frontend.state,
    since: new Date(0).toISOString(), // to be replaced
    ...errorFields(frontend.lastError),
    protocol: config.protocol,
    listen: listen.first,
    ...(listen.all === undefined ? {} : { listens: listen.all }),
    target_name: config.target,
    endpoint_name: config.endpoint,
    proxyaddress: proxy.first,
    ...(proxy.all === undefined ? {} : { proxyaddresses: proxy.all }),
    ...(traffic === undefined ? {} : trafficFields(traffic)),
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

function trafficFields({ timedOut, ...traffic }: NonNullable<Awaited<ReturnType<Frontend["traffic"]>>>): Partial<FrontendStatus> {
  return Object.fromEntries(Object.entries({ ...traffic, timed_out: timedOut }).filter(([, count]) => count > 0));
}

/** The list too only when it says more than its first member. */
function addressList(addresses: readonly AddrPort[]): { first: string; all?: string[] } {
  const all = addresses.map(formatAddrPort);
  return all.length > 1 ? { first: all[0] ?? "", all } : { first: all[0] ?? "" };
}
