/** Flows of the gateway's that were translated, by conntrack. */
import type { Stage } from "./stage.ts";

/** Longer than any flow_timeout of the scenario. */
const MOST_SECONDS = 60;

export async function translatedFlows({ topology, scenario }: Stage): Promise<string[]> {
  const list = async (family: string): Promise<string[]> =>
    (await topology.run("gateway", "conntrack", "-L", "-f", family)).stdout.split("\n");
  return [...(await list("ipv4")), ...(await list("ipv6"))].filter((line) => scenario.isTranslated(line));
}

/**
 * Deletes TCP flows that the kernel would keep for days, and gives them. A flow's timeout policy goes with the table, and nobody can give
 * it another: whoever removes the table takes flow_timeout from the flows that exist.
 */
export async function cutUnlimited(stage: Stage): Promise<string[]> {
  const unlimited = (await translatedFlows(stage)).filter((line) => Number(/^tcp +6 (\d+) /.exec(line)?.[1]) > MOST_SECONDS);
  for (const line of unlimited) {
    const [, source = "", sourcePort = "", port = ""] = /src=(\S+) dst=\S+ sport=(\d+) dport=(\d+)/.exec(line) ?? [];
    const family = source.includes(":") ? "ipv6" : "ipv4";
    const which = ["--orig-src", source, "--orig-port-src", sourcePort, "--orig-port-dst", port];
    await stage.topology.run("gateway", "conntrack", "-D", "-f", family, "-p", "tcp", ...which);
  }
  return unlimited;
}
