import { once } from "node:events";
import { createServer } from "node:net";
import { messageOf } from "../../pkg/fault/fault.ts";
import { listenFault } from "../../pkg/listen/listen-fault.ts";
import { socketTroubles } from "../../pkg/listen/socket-trouble.ts";
import type { Examination, Finding } from "../../pkg/plugin/finding.ts";
import { type AddrPort, parseAddrPort } from "../../pkg/value/addr-port.ts";
import type { MetricsConfig } from "./metrics-config.ts";

/** Whether metrics could be served where they are to be. */
export async function examineMetrics(config: MetricsConfig | undefined, examination: Examination): Promise<Finding[]> {
  if (config === undefined) return [];
  const { listen, socket, group } = config;
  if (socket !== undefined) {
    const troubles = await socketTroubles({ path: socket, group, noun: "metrics socket" }, examination);
    return troubles.map(({ part, what, remedy }) => {
      const where = part === "group" ? "plugins.metrics.group" : `plugins.metrics, socket ${socket}`;
      return { id: `metrics-${part}`, severity: "error", what, where, remedy };
    });
  }
  // the daemon itself listens there
  if (listen === undefined || examination.isRunning) return [];
  const error = await listenError(parseAddrPort(listen));
  if (error === undefined) return [];
  return [{ id: "metrics-address", severity: "error", what: messageOf(error), where: "plugins.metrics.listen" }];
}

/** Listens for a moment, as the server would: nothing else tells all that may be in the way. */
async function listenError(place: AddrPort): Promise<Error | undefined> {
  const { address, port, family } = place;
  const server = createServer();
  try {
    server.listen({ host: address, port, ipv6Only: family === "ipv6", exclusive: true });
    await once(server, "listening");
    return undefined;
  } catch (error) {
    return listenFault(place, "serve metrics", error);
  } finally {
    server.close();
  }
}
