/** What a valid configuration most likely does not mean. It is not refused: it may have been valid for years. */
import type { Config } from "../../pkg/config/types.ts";

/** Milliseconds. Packets of one conversation may be that far apart; nobody idles for a shorter time. */
const SHORTEST_IDLE = 100;

/** Sentences for people. */
export function adviceOn({ targets }: Pick<Config, "targets">): string[] {
  return targets
    .filter(({ idleTimeoutMs }) => idleTimeoutMs < SHORTEST_IDLE)
    .map(
      ({ name, idleTimeoutMs }) =>
        `target ${JSON.stringify(name)}: an idle_timeout of ${String(idleTimeoutMs)}ms stops the service between two packets of one client; minutes are usual, such as "5m"`,
    );
}
