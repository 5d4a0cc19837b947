import { readFile } from "node:fs/promises";
import { Fault } from "../fault/fault.ts";

/**
 * The number of a group, as /etc/group has it.
 * @throws Fault GROUP_UNKNOWN
 */
export async function groupId(name: string, file = "/etc/group"): Promise<number> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new Fault("GROUP_UNKNOWN", `cannot look up group "${name}" in ${file}`, { cause: error });
  });
  for (const line of text.split("\n")) {
    const [group, , id] = line.split(":");
    if (group === name && id !== undefined && /^[0-9]+$/.test(id)) return Number(id);
  }
  throw new Fault("GROUP_UNKNOWN", `there is no group "${name}" in ${file}; create it with: groupadd --system ${name}`);
}
