export type FrontendState = "stopped" | "starting" | "running" | "stopping" | "closed";

/** From each state, those that may follow. */
export const FRONTEND_TRANSITIONS: Readonly<Record<FrontendState, readonly FrontendState[]>> = {
  stopped: ["starting", "closed"],
  starting: ["running", "stopped"],
  running: ["stopping"],
  stopping: ["stopped"],
  closed: [],
};
