import type { Log } from "../../pkg/log/log.ts";

/**
 * Logs what is thrown where nobody can catch it (a plugin's timer or event, a promise that nobody waits for) instead of
 * ending the process with it: that is one plugin's trouble, and the end would be everybody's. Returns what undoes it.
 */
export function outliveUnexpected(log: Log): () => void {
  const onError = (error: Error, origin: string): void => {
    log.error("unexpected error; the daemon goes on", { error, origin, stack: error instanceof Error ? error.stack : undefined });
  };
  // with a listener, rejections that nobody handles come here too
  process.on("uncaughtException", onError);
  return () => {
    process.off("uncaughtException", onError);
  };
}
