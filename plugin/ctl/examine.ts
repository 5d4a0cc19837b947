import { constants, existsSync } from "node:fs";
import { access } from "node:fs/promises";
import { dirname } from "node:path";
import { DEFAULT_SOCKET } from "../../pkg/ctl/packet.ts";
import { hasCode, messageOf } from "../../pkg/fault/fault.ts";
import { groupId } from "../../pkg/listen/group.ts";
import { examinePlace } from "../../pkg/listen/socket-file.ts";
import type { Examination, Finding } from "../../pkg/plugin/finding.ts";

interface SocketConfig {
  readonly socket?: string;
  readonly group?: string;
}

/** Whether the control socket could be opened, and given to its group. */
export async function examineSocket(
  config: SocketConfig | undefined,
  { capabilities, isRunning, runtimeDir }: Examination,
): Promise<Finding[]> {
  if (config === undefined) return [];
  const path = config.socket ?? DEFAULT_SOCKET;
  const where = `plugins.ctl, socket ${path}`;
  const findings: Finding[] = [];
  let gid: number | undefined;
  try {
    gid = config.group === undefined ? undefined : await groupId(config.group);
  } catch (error) {
    const remedy = `groupadd --system ${config.group ?? ""}`;
    findings.push({ id: "ctl-group", severity: "error", what: messageOf(error), where: "plugins.ctl.group", remedy });
  }
  if (gid !== undefined && !capabilities.has("CAP_CHOWN") && process.getgroups?.().includes(gid) !== true) {
    const what = `giving the socket to the group "${config.group ?? ""}" takes CAP_CHOWN`;
    findings.push({ id: "ctl-privileges", severity: "error", what, where, remedy: "run proxygw as root, or leave out group" });
  }
  const directory = dirname(path);
  // it will be made; whether it can be is another finding's matter
  if (`${runtimeDir}/`.startsWith(`${directory}/`) && !existsSync(directory)) return findings;
  const canWrite = await access(directory, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!canWrite) {
    const what = `its directory ${directory} does not exist, or this user cannot write there`;
    return [
      ...findings,
      { id: "ctl-socket", severity: "error", what, where, remedy: `mkdir -p ${directory}, or choose another socket` },
    ];
  }
  try {
    await examinePlace({ path, gid, noun: "control socket" });
  } catch (error) {
    // the daemon itself listens
    if (!isRunning || !hasCode(error, "SOCKET_IN_USE"))
      findings.push({
        id: "ctl-socket",
        severity: "error",
        what: messageOf(error),
        where,
        remedy: "see the message, or choose another socket",
      });
  }
  return findings;
}
