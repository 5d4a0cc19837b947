/** Which kernel settings a configuration needs, and what else changes when the kernel is told to forward. */
import type { Family } from "../../value/protocol.ts";
import type { Needs } from "../dataplane.ts";
import type { Setting, SysctlKey, Sysctls } from "./sysctl.ts";

const ROUTE_LOCALNET: Setting = {
  // the kernel takes the OR of `all` and the interface's own: this covers interfaces that appear later (inetdevice.h)
  key: "net/ipv4/conf/all/route_localnet",
  value: "1",
  why: "a listen address or endpoint on 127.0.0.0/8 with its other side elsewhere needs route_localnet",
};
const FORWARD_IPV4: Setting = {
  key: "net/ipv4/ip_forward",
  value: "1",
  why: "a target on another machine needs IPv4 forwarding",
};
const FORWARD_IPV6: Setting = {
  key: "net/ipv6/conf/all/forwarding",
  value: "1",
  why: "a target on another machine needs IPv6 forwarding",
};

/** What `needs` comes down to, and which of it was not so before this daemon, or one that died, changed it. */
export interface SystemPlan {
  readonly lacking: readonly Setting[];
  /** Families that are forwarded only because of this daemon. */
  readonly forwarded: readonly Family[];
}

export async function planSystem(sysctls: Sysctls, needs: Needs): Promise<SystemPlan> {
  const wanted = [
    ...(needs.routeLocalnet ? [ROUTE_LOCALNET] : []),
    ...(needs.forwardIPv4 ? [FORWARD_IPV4] : []),
    ...(needs.forwardIPv6 ? [FORWARD_IPV6] : []),
  ];
  const lacking = await sysctls.lacking(wanted);
  const ours = (setting: Setting): boolean =>
    lacking.includes(setting) || (wanted.includes(setting) && sysctls.changed(setting.key));
  const forwarded: Family[] = [
    ...(ours(FORWARD_IPV4) ? (["ipv4"] as const) : []),
    ...(ours(FORWARD_IPV6) ? (["ipv6"] as const) : []),
  ];
  return { lacking, forwarded };
}

/** Whether `key`, which a daemon that died had changed, belongs to one of `needs`. */
export function isNeeded(key: SysctlKey, needs: Needs): boolean {
  if (key === ROUTE_LOCALNET.key) return needs.routeLocalnet;
  return key.startsWith("net/ipv6/") ? needs.forwardIPv6 : needs.forwardIPv4;
}

/** @throws Fault SYSCTL_FAILED */
export async function applySystem(sysctls: Sysctls, plan: SystemPlan): Promise<void> {
  for (const setting of plan.lacking) {
    if (setting === FORWARD_IPV4) await beforeForwardingIPv4(sysctls);
    if (setting === FORWARD_IPV6) await beforeForwardingIPv6(sysctls);
    await sysctls.set(setting);
  }
}

/** Writing ip_forward also writes these (net/ipv4/devinet.c, inet_forward_change). */
async function beforeForwardingIPv4(sysctls: Sysctls): Promise<void> {
  const interfaces = await sysctls.interfaces("net/ipv4/conf");
  await sysctls.remember([
    "net/ipv4/conf/all/accept_redirects",
    "net/ipv4/conf/default/forwarding",
    ...interfaces.map((name) => `net/ipv4/conf/${name}/forwarding`),
  ]);
}

/** As above (net/ipv6/addrconf.c); and a router drops the default routes it learnt, unless accept_ra is 2. */
async function beforeForwardingIPv6(sysctls: Sysctls): Promise<void> {
  const interfaces = await sysctls.interfaces("net/ipv6/conf");
  // interfaces that appear later begin with the default's
  for (const name of ["default", ...interfaces]) {
    const key = `net/ipv6/conf/${name}/accept_ra`;
    if ((await sysctls.get(key)) !== "1") continue;
    await sysctls.set({ key, value: "2", why: "IPv6 forwarding would make the kernel forget the routes it learnt from routers" });
  }
  await sysctls.remember(["net/ipv6/conf/default/forwarding", ...interfaces.map((name) => `net/ipv6/conf/${name}/forwarding`)]);
}
