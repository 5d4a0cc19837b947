import { DEFAULT_SOCKET } from "../../pkg/ctl/packet.ts";
import { socketTroubles } from "../../pkg/listen/socket-trouble.ts";
import type { Examination, Finding } from "../../pkg/plugin/finding.ts";

interface SocketConfig {
  readonly socket?: string;
  readonly group?: string;
}

/** Whether the control socket could be opened, and given to its group. */
export async function examineSocket(config: SocketConfig | undefined, examination: Examination): Promise<Finding[]> {
  if (config === undefined) return [];
  const path = config.socket ?? DEFAULT_SOCKET;
  const troubles = await socketTroubles({ path, group: config.group, noun: "control socket" }, examination);
  return troubles.map(({ part, what, remedy }) => {
    const where = part === "group" ? "plugins.ctl.group" : `plugins.ctl, socket ${path}`;
    return { id: `ctl-${part}`, severity: "error", what, where, remedy };
  });
}
