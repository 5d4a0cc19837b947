import { readFile } from "node:fs/promises";
import type { FrontendConfig } from "../../pkg/config/types.ts";
import type { Examination, Finding } from "../../pkg/plugin/finding.ts";

/** Whether a page could be served on its ports: ip-sysctl.rst, ip_unprivileged_port_start. */
export async function examinePage({ name, routes }: FrontendConfig, { capabilities }: Examination): Promise<Finding[]> {
  if (capabilities.has("CAP_NET_BIND_SERVICE")) return [];
  const text = await readFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", "latin1").catch(() => "1024");
  const ports = routes.map(({ listen }) => listen.port).filter((port) => port < Number(text));
  if (ports.length === 0) return [];
  const what = `serving its page on port ${ports.join(", ")} takes CAP_NET_BIND_SERVICE`;
  return [
    {
      id: "page-privileges",
      severity: "error",
      what,
      where: `frontend "${name}"`,
      remedy: "run proxygw as root, or with that capability",
    },
  ];
}
