/** Targets that start for their first client, and the services behind them. */
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { until } from "./daemon.ts";
import type { Host, Topology } from "./topology.ts";

const script = (name: string): string => resolve(import.meta.dirname, name);

/** The interpreter itself: what is found in PATH may be a wrapper that takes its time. */
export const PYTHON = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).trim();
export const BURST = script("burst.py");
export const DATAGRAMS = script("datagrams.py");
export const AROUND = script("around.py");
export const STEADY = script("steady.py");
export const KEEP = script("keep.py");
export const FLOOD = script("flood.py");
export const MALFORMED = script("malformed.py");

type Mode = "tcp" | "udp" | "dns";

/** Of a configuration. A type, since an interface is no Record. */
type Parts = Record<"targets" | "frontends", Record<string, unknown>[]>;

/** What differs from a TCP service at 127.0.0.1:8080, reached through 0.0.0.0:8088. */
interface Variation {
  name?: string;
  mode?: Mode;
  endpoint?: string;
  listen?: string | string[];
  /** What is run instead of the service. */
  command?: string;
  target?: Record<string, unknown>;
  frontend?: Record<string, unknown>;
}

/** The shell command that becomes the test's service, ready after `seconds`. */
export function quick(mode: Mode, endpoint: string, seconds = 0): string {
  const { address, port } = split(endpoint);
  return `exec ${PYTHON} -IS ${script("quick.py")} ${mode} ${address} ${port} ${String(seconds)}`;
}

/** The shell command that becomes an HTTP service whose connections stay open, several at once. */
export function lasting(endpoint: string): string {
  const { address, port } = split(endpoint);
  return `exec ${PYTHON} ${script("service.py")} tcp ${address} ${port}`;
}

/** A target "backend" that runs a service on the gateway, and its frontend "front". With a `name`, that and "front-NAME". */
export function onDemand(variation: Variation = {}): Parts {
  const { name, mode = "tcp", endpoint = "127.0.0.1:8080", listen = "0.0.0.0:8088", target, frontend } = variation;
  const command = variation.command ?? quick(mode, endpoint);
  const protocol = mode === "tcp" ? "tcp" : "udp";
  const ready = mode === "tcp" ? {} : { ready: { probe: "command", command: listens("udp", endpoint) } };
  return parts(name, { kind: "static:cmd", options: { command }, ...ready, ...target }, protocol, [endpoint], listen, frontend);
}

/** As onDemand(), for a service that is not the daemon's to start. */
export function onDemandElsewhere(addresses: string[], variation: Variation = {}): Parts {
  const { name, mode = "tcp", listen = "0.0.0.0:8088", target, frontend } = variation;
  return parts(name, { kind: "static:none", ...target }, mode === "tcp" ? "tcp" : "udp", addresses, listen, frontend);
}

function parts(
  name: string | undefined,
  target: Record<string, unknown>,
  protocol: string,
  addresses: string[],
  listen: string | string[],
  frontend: Record<string, unknown> = {},
): Parts {
  const targetName = name ?? "backend";
  const frontendName = name === undefined ? "front" : `front-${name}`;
  return {
    targets: [{ name: targetName, endpoints: [{ name: "main", protocol, addresses }], ...target }],
    frontends: [{ name: frontendName, kind: "static:on-demand", listen, target: `${targetName}:main`, ...frontend }],
  };
}

export function together(...all: Parts[]): Parts {
  return { targets: all.flatMap(({ targets }) => targets), frontends: all.flatMap(({ frontends }) => frontends) };
}

/** Starts a TCP service on a host, by hand, and waits until it listens. */
export async function serve(topology: Topology, host: Host, endpoint: string, command = quick("tcp", endpoint)): Promise<void> {
  topology.start(host, "sh", ["-c", command]);
  const listening = listens("tcp", endpoint);
  await until(`${endpoint} listens`, async () => (await topology.run(host, "sh", "-c", listening)).exitCode === 0);
}

function listens(protocol: "tcp" | "udp", endpoint: string): string {
  return `ss -Hln${protocol === "tcp" ? "t" : "u"} src ${endpoint} | grep -q .`;
}

function split(endpoint: string): { address: string; port: string } {
  const separator = endpoint.lastIndexOf(":");
  return { address: endpoint.slice(0, separator).replaceAll(/[[\]]/g, ""), port: endpoint.slice(separator + 1) };
}
