/** Who may say what the daemon runs: its commands are run as root. */
import { fileError } from "../../pkg/config/config-error.ts";
import { findFlaw, trustedUsers } from "../../pkg/trust/trust.ts";

/**
 * Why the daemon refuses the file; undefined: it does not. Whoever starts it by sudo may become root anyway, so files of
 * theirs are as good as root's.
 */
export async function configFlaw(file: string, env: Readonly<Record<string, string | undefined>>): Promise<string | undefined> {
  const { SUDO_UID: user = "" } = env;
  const flaw = await findFlaw(file, await trustedUsers(/^\d+$/.test(user) ? [Number(user)] : []));
  if (flaw === undefined) return undefined;
  return `${flaw.what}, and what this file says is run with the rights of the daemon; try: ${flaw.remedy}`;
}

/** To be called before each reading for a daemon. @throws ConfigError */
export async function refuseUntrusted(file: string, env: Readonly<Record<string, string | undefined>>): Promise<void> {
  const flaw = await configFlaw(file, env);
  if (flaw !== undefined) throw fileError(file, flaw);
}
