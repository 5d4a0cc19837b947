import { readdir, readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { Config } from "../config/types.ts";
import { hasCode } from "../fault/fault.ts";
import type { ToolRunner } from "../process/process.ts";
import { isLoopback } from "../value/addr-port.ts";
import { type Network, parseRoutes, type WayTo } from "./network.ts";

/** A process each. */
const MOST_ROUTES = 100;

/** Without the program `ip`, routes are not known. @throws Fault TOOL_… */
export async function collectNetwork(
  config: Config | undefined,
  tools: ToolRunner,
  isLocal: (address: string) => boolean,
): Promise<Network> {
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, infos]) =>
    (infos ?? []).map(({ address, family, cidr }) => ({
      // an alias is a name of an address, not an interface
      name: name.split(":")[0] ?? name,
      address,
      family: family === "IPv4" ? ("ipv4" as const) : ("ipv6" as const),
      block: cidr ?? "",
    })),
  );
  const [bridges, strict, calls] = await Promise.all([
    bridgesOf("/sys/class/net"),
    strictOf("/proc/sys/net/ipv4/conf"),
    textOf("/proc/sys/net/bridge/bridge-nf-call-iptables"),
  ]);
  const remote = new Set(
    (config?.frontends ?? [])
      .flatMap(({ routes }) => routes.map(({ endpoint }) => endpoint))
      .filter((endpoint) => !isLoopback(endpoint) && !isLocal(endpoint.address))
      .map(({ address }) => address),
  );
  const common = { addresses, bridges, bridgeCallsIptables: calls === "1", strict };
  try {
    return { ...common, ...(await routes(remote, tools)), areRoutesKnown: true };
  } catch (error) {
    if (!hasCode(error, "TOOL_MISSING")) throw error;
    return { ...common, ways: new Map(), defaults: [], areRoutesKnown: false };
  }
}

async function routes(remote: ReadonlySet<string>, tools: ToolRunner): Promise<Pick<Network, "ways" | "defaults">> {
  const ways = new Map<string, WayTo | "none">();
  await Promise.all(
    [...remote].slice(0, MOST_ROUTES).map(async (address) => {
      const { exitCode, stdout } = await tools.run("ip", ["-j", "route", "get", address]);
      const [way] = parseRoutes(exitCode === 0 ? stdout : "");
      ways.set(address, way ?? "none");
    }),
  );
  const defaults = await Promise.all(
    (["ipv4", "ipv6"] as const).map(async (family) => {
      const { stdout } = await tools.run("ip", [family === "ipv4" ? "-4" : "-6", "-j", "route", "show", "default"]);
      return parseRoutes(stdout).map((way) => ({ ...way, family }));
    }),
  );
  return { ways, defaults: defaults.flat() };
}

async function bridgesOf(root: string): Promise<Set<string>> {
  const names = await readdir(root).catch((): string[] => []);
  const marks = await Promise.all(names.map((name) => readdir(join(root, name, "bridge")).catch(() => undefined)));
  return new Set(names.filter((_name, at) => marks[at] !== undefined));
}

/** The kernel takes the greater one of `all` and the interface's own: ip-sysctl.rst. */
async function strictOf(root: string): Promise<Set<string>> {
  const names = (await readdir(root).catch((): string[] => [])).filter(
    (name) => name !== "all" && name !== "default" && name !== "lo",
  );
  const all = Number(await textOf(join(root, "all/rp_filter")));
  const values = await Promise.all(names.map((name) => textOf(join(root, name, "rp_filter"))));
  return new Set(names.filter((_name, at) => Math.max(all, Number(values[at])) === 1));
}

function textOf(file: string): Promise<string> {
  return readFile(file, "latin1").then(
    (text) => text.trim(),
    () => "",
  );
}
