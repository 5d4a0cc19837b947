import { constants, existsSync } from "node:fs";
import { access } from "node:fs/promises";
import { dirname } from "node:path";
import { hasCode, messageOf } from "../fault/fault.ts";
import { groupId } from "./group.ts";
import { examinePlace } from "./socket-file.ts";

/** What would keep a socket from being opened, or from its group. */
export interface SocketTrouble {
  readonly part: "group" | "privileges" | "socket";
  /** For people: lower case, no full stop. */
  readonly what: string;
  readonly remedy: string;
}

export interface Opener {
  readonly capabilities: ReadonlySet<string>;
  /** It has opened the socket. */
  readonly isRunning: boolean;
  /** It makes this directory before. */
  readonly runtimeDir: string;
}

/** Looks whether a socket could be opened at `path`, and given to `group`; `noun`: what messages call it. Changes nothing. */
export async function socketTroubles(
  { path, group, noun }: { readonly path: string; readonly group: string | undefined; readonly noun: string },
  { capabilities, isRunning, runtimeDir }: Opener,
): Promise<SocketTrouble[]> {
  const troubles: SocketTrouble[] = [];
  let gid: number | undefined;
  try {
    gid = group === undefined ? undefined : await groupId(group);
  } catch (error) {
    troubles.push({ part: "group", what: messageOf(error), remedy: `groupadd --system ${group ?? ""}` });
  }
  if (gid !== undefined && !capabilities.has("CAP_CHOWN") && process.getgroups?.().includes(gid) !== true) {
    const what = `giving the socket to the group "${group ?? ""}" takes CAP_CHOWN`;
    troubles.push({ part: "privileges", what, remedy: "run proxygw as root, or leave out group" });
  }
  const directory = dirname(path);
  // it will be made; whether it can be is another finding's matter
  if (`${runtimeDir}/`.startsWith(`${directory}/`) && !existsSync(directory)) return troubles;
  const canWrite = await access(directory, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!canWrite) {
    const what = `its directory ${directory} does not exist, or this user cannot write there`;
    return [...troubles, { part: "socket", what, remedy: `mkdir -p ${directory}, or choose another socket` }];
  }
  try {
    await examinePlace({ path, gid, noun });
  } catch (error) {
    if (!isRunning || !hasCode(error, "SOCKET_IN_USE")) {
      troubles.push({ part: "socket", what: messageOf(error), remedy: "see the message, or choose another socket" });
    }
  }
  return troubles;
}
