import type { Clock } from "../clock/clock.ts";
import type { ReadyConfig, TargetConfig } from "../config/types.ts";
import type { Dataplane } from "../dataplane/dataplane.ts";
import type { Fault } from "../fault/fault.ts";
import type { Log } from "../log/log.ts";
import type { MoveListener } from "../state/state-machine.ts";
import type { TargetHandler } from "./handler.ts";
import type { TargetState } from "./state.ts";
import type { TargetHistory } from "./target-history.ts";

export interface TargetOptions {
  readonly config: TargetConfig;
  readonly dataplane: Dataplane;
  readonly clock: Clock;
  readonly log: Log;
  /** Called before each start of the service. @throws why it can't be started */
  readonly prepare: () => Promise<void>;
  /** Resolves when the service, which has been started, is ready. @throws why it is not, or the signal's reason */
  readonly untilReady: (config: ReadyConfig, signal: AbortSignal) => Promise<void>;
  /** Makes the handler; `died` is to be called when the service ends by itself. */
  readonly createHandler: (died: (reason: Fault) => void) => TargetHandler;
  /** Of the target of that name that was before, if there was one. */
  readonly history?: TargetHistory;
  /** Called after each change of state. Must not throw. */
  readonly moved?: MoveListener<TargetState>;
}
