import { readFile } from "node:fs/promises";
import { tryFlows } from "../../netlink/flows.ts";
import type { ProbeHost } from "./probe.ts";

/** This machine, as the probe asks it. */
export const systemHost: ProbeHost = {
  platform: process.platform,
  processStatus: () => readFile("/proc/self/status", "utf8"),
  connections: tryFlows,
};
