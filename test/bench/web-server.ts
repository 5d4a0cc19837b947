/** nginx on the backend: the service that everything is measured with, since it is faster than what is before it. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../e2e/daemon.ts";
import { BACKEND, type Running, type Topology } from "../e2e/topology.ts";

export const WEB_PORT = 8080;

/** Ports of the backend that lead to the same service, so that thousands of targets have an endpoint each. */
export const FIRST_PORT = 10_000;
const LAST_PORT = 30_000;

/** Gives `directory` a file; the server is killed with the topology. */
export async function startWebServer(topology: Topology, directory: string): Promise<Running> {
  const file = join(directory, "web.conf");
  await writeFile(file, webServerConfig(directory));
  const server = topology.start("backend", "nginx", ["-e", "stderr", "-c", file]);
  await until("the web server listens", async () =>
    (await topology.run("backend", "ss", "-Hltn")).stdout.includes(`:${String(WEB_PORT)}`),
  );
  return server;
}

function webServerConfig(directory: string): string {
  return `daemon off;
user root;
pid ${join(directory, "web.pid")};
worker_processes 1;
worker_rlimit_nofile 16384;
error_log /dev/null;
events { worker_connections 16000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 10m;
  server {
    listen ${BACKEND}:${String(WEB_PORT)} backlog=16384;
    listen ${BACKEND}:${String(WEB_PORT + 1)} backlog=16384;
    location / { return 200 "served\\n"; }
  }
}
`;
}

/** Leads the ports from FIRST_PORT to LAST_PORT to the service. */
export async function openManyPorts(topology: Topology): Promise<void> {
  await topology.shell(
    "backend",
    `nft 'add table ip many; add chain ip many in { type nat hook prerouting priority dstnat; }; add rule ip many in tcp dport ${String(FIRST_PORT)}-${String(LAST_PORT)} redirect to :${String(WEB_PORT)}'`,
  );
}

/** What lets backlogs, ports and connection tables not be what is measured. */
export async function widen(topology: Topology): Promise<void> {
  for (const host of ["client", "gateway", "backend"] as const) {
    const settings = [
      "net.ipv4.ip_local_port_range='1024 65001'",
      "net.core.somaxconn=16384",
      "net.ipv4.tcp_max_syn_backlog=16384",
    ];
    // some are not there in a namespace of some kernels
    await topology.shell(host, settings.map((each) => `sysctl -qw ${each} 2>/dev/null || true`).join("\n"));
  }
  await topology.shell("gateway", "sysctl -qw net.ipv4.ip_forward=1");
}
