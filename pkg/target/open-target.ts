import type { TargetConfig } from "../config/types.ts";
import { parseAddrPort } from "../value/addr-port.ts";
import { Target } from "./target.ts";
import type { TargetOptions } from "./target-options.ts";

/** What most tests of targets and frontends need: a service on one TCP endpoint. */
export const TARGET_CONFIG: TargetConfig = {
  name: "backend",
  kind: { namespace: "test", name: "scripted" },
  idleTimeoutMs: 60_000,
  ready: { probe: { kind: "none" }, timeoutMs: 30_000 },
  endpoints: [{ name: "http", protocol: "tcp", addresses: [parseAddrPort("127.0.0.1:8080")] }],
  options: {},
};

type Needed = Pick<TargetOptions, "dataplane" | "clock" | "log" | "createHandler">;

/** A target for tests, open; ready as soon as it is started unless the options say otherwise. */
export async function openTarget(options: Needed & Partial<TargetOptions>, mayRun = false): Promise<Target> {
  const target = new Target({
    config: TARGET_CONFIG,
    prepare: () => Promise.resolve(),
    untilReady: () => Promise.resolve(),
    ...options,
  });
  await target.open(mayRun);
  return target;
}
