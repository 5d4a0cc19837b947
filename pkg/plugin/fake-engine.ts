import { FakeClock } from "../clock/fake-clock.ts";
import { Fault } from "../fault/fault.ts";
import { collectingLog } from "../log/collecting-log.ts";
import type { EngineApi, EngineEvent, FlowStatus, ReloadReport, Status, StatusQuery } from "./plugin.ts";

/** An engine that records its calls. Operations on "slow" wait until a test lets them go; "unknown" does not exist. */
export class FakeEngine implements EngineApi {
  readonly log = collectingLog();
  readonly clock = new FakeClock();
  readonly calls: string[] = [];
  current: Status = { closed: false };
  currentFlows: FlowStatus[] = [];
  /** Of onEvent(). */
  readonly listeners = new Set<(event: EngineEvent) => void>();
  #waiting: (() => void)[] = [];

  /** Operations that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  letGo(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  status(query?: StatusQuery): Promise<Status> {
    this.calls.push(query === undefined ? "status" : `status ${JSON.stringify(query)}`);
    return Promise.resolve(this.current);
  }

  flows(target?: string): Promise<FlowStatus[]> {
    this.calls.push(`flows ${target ?? "of all"}`);
    return Promise.resolve(this.currentFlows);
  }

  onEvent(listener: (event: EngineEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  emit(event: EngineEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }

  warmTarget(name: string, reason: string): Promise<void> {
    return this.#operation(`warm ${name}: ${reason}`, "TARGET_UNKNOWN", name);
  }

  drainTarget(name: string, reason: string, force: boolean): Promise<void> {
    return this.#operation(`drain ${name}${force ? " by force" : ""}: ${reason}`, "TARGET_UNKNOWN", name);
  }

  reload(): Promise<ReloadReport> {
    this.calls.push("reload");
    return Promise.resolve({ targets: { added: ["backend"] } });
  }

  startFrontend(name: string): Promise<void> {
    return this.#operation(`start ${name}`, "FRONTEND_UNKNOWN", name);
  }

  stopFrontend(name: string): Promise<void> {
    return this.#operation(`stop ${name}`, "FRONTEND_UNKNOWN", name);
  }

  async #operation(call: string, code: string, name: string): Promise<void> {
    this.calls.push(call);
    if (name.startsWith("unknown")) throw new Fault(code, `there is no "${name}"`);
    if (name === "slow") await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
