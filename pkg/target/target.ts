/**
 * Package target: one service that is started and stopped on demand.
 *
 * Owns the target's state, its handler, its group of the dataplane, and the decision when to drain. Must not know what
 * a handler does, nor which frontends there are.
 */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../clock/clock.ts";
import type { Ending, TargetConfig } from "../config/types.ts";
import type { Group } from "../dataplane/dataplane.ts";
import { collected, Fault, hasCode, messageOf } from "../fault/fault.ts";
import type { Log } from "../log/log.ts";
import { runAll } from "../serial/run-all.ts";
import { Serial } from "../serial/serial.ts";
import type { LastError, StateMachine } from "../state/state-machine.ts";
import { Backoff } from "./backoff.ts";
import { GuardedHandler } from "./guarded-handler.ts";
import { IdleDrain } from "./idle-drain.ts";
import { Joined } from "./joined.ts";
import { PacketPath } from "./packet-path.ts";
import { targetMachine, type TargetState } from "./state.ts";
import { TargetEnd } from "./target-end.ts";
import { TargetHistory } from "./target-history.ts";
import type { TargetOptions } from "./target-options.ts";
import type { WakeCause } from "./wake.ts";
import { Wants } from "./wants.ts";

/** How long a service that was found running may keep the start waiting; one that is ready needs a millisecond. */
const RESUME_MS = 500;

export class Target {
  /** Parties that want the target to stay up, such as a running `static:always` frontend. */
  readonly wants = new Wants();
  readonly history: TargetHistory;
  readonly #options: TargetOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #serial = new Serial();
  readonly #backoff: Backoff;
  readonly #handler: GuardedHandler;
  #config: TargetConfig;
  #group: Group | undefined;
  readonly #machine: StateMachine<TargetState>;
  readonly #warming = new Joined();
  readonly #draining = new Joined();
  readonly #end = new TargetEnd();
  #closing: Promise<void> | undefined;
  /** Ends a warm that is under way; aborted while one that failed is undone. Of the last warm, if there was one. */
  #warmAbort: AbortController | undefined;
  /** Of the present active period. */
  #idleDrain: IdleDrain | undefined;
  /** Why the service ended by itself, since the last warm began. */
  #death: Fault | undefined;

  /** Does nothing; open() acquires. */
  constructor(options: TargetOptions) {
    this.#config = options.config;
    this.#options = options;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#backoff = new Backoff(options.clock);
    this.history = options.history ?? new TargetHistory();
    this.#machine = targetMachine(options.config.name, options, this.history);
    const { config, clock, log } = options;
    this.#handler = new GuardedHandler({
      name: config.name,
      kind: config.kind,
      clock,
      log,
      readyTimeoutMs: () => this.#config.ready.timeoutMs,
      create: options.createHandler,
      died: this.#died.bind(this),
    });
  }

  get config(): TargetConfig {
    return this.#config;
  }

  get name(): string {
    return this.#config.name;
  }

  get state(): TargetState {
    return this.#machine.state;
  }

  get lastError(): LastError | undefined {
    return this.#machine.lastError;
  }

  /** When it came into its state. */
  get since(): Date {
    return this.#machine.since;
  }

  /** While active and wanted by nobody: when it is due to be drained as far as is known, on the clock's scale. */
  get idleDue(): number | undefined {
    return this.state === "active" ? this.#idleDrain?.due : undefined;
  }

  /** @throws Fault TARGET_CLOSED before open() and after close() */
  get group(): Group {
    if (this.#group === undefined) throw new Fault("TARGET_CLOSED", `the target "${this.name}" is not open`);
    return this.#group;
  }

  /** As group. */
  get #path(): PacketPath {
    return new PacketPath({ name: this.name, group: this.group, clock: this.#clock, log: this.#log });
  }

  /**
   * Acquires the group, and takes over a service that still runs: once it is ready its mappings are to be open. Resolves
   * when that is asked for, if it comes soon; the target is active when the dataplane has done it. `mayRun`: a daemon that is no
   * more had started it. Called once, before anything else.
   */
  async open(mayRun: boolean): Promise<void> {
    this.#group = this.#options.dataplane.createGroup({ name: this.name, endpoints: this.config.endpoints });
    if (!mayRun) return;
    const found = await this.#handler.adopt().catch((error: unknown) => {
      this.#machine.failed(error);
      this.#log.error("could not find out whether the service still runs", { error: messageOf(error) });
      return false;
    });
    if (!found) return;
    await new Promise<void>((resolve) => {
      const resumed = this.#inTurn(this.#warming, () => this.#warm({ reason: "found still running" }, true, resolve));
      // the failure is logged and kept where it happens
      void resumed.catch(() => undefined).finally(resolve);
      void this.#clock.sleep(RESUME_MS).then(resolve);
    });
  }

  /** Whether update() can take over a configuration of the same kind and endpoints; if not, the target must be made anew. */
  accepts({ options }: TargetConfig): boolean {
    return isDeepStrictEqual(options, this.#config.options) || this.#handler.reconfigure(options) !== undefined;
  }

  /** Takes over what needs no new start: `idle_timeout`, `ready`, and such options. Only what it accepts(). */
  update(config: TargetConfig): void {
    if (!isDeepStrictEqual(config.options, this.#config.options)) this.#handler.reconfigure(config.options)?.();
    this.#config = config;
    this.#idleDrain?.setIdleTimeout(config.idleTimeoutMs);
  }

  /**
   * Stops the service, flows or no flows, to make way for a target of the same name: until close(), which is to follow, clients
   * are held where their frontend holds them, and none is turned away. @throws what the handler or dataplane failed with
   */
  async retire(reason: string): Promise<void> {
    this.#end.retire();
    this.#warmAbort?.abort(new Fault("TARGET_CLOSED", `the target "${this.name}" is being made anew`));
    await this.#serial.run(() => this.#drain(reason));
  }

  /** Calls `listener` after each change of state, until the returned function is called. */
  onState(listener: (state: TargetState) => void): () => void {
    return this.#machine.onState(listener);
  }

  /**
   * Warms, or joins a warm under way. Does not heed the delay after a failure: a person asks.
   * @throws Fault TARGET_CLOSED, NOT_READY, or what the handler or dataplane failed with; the target is inactive then
   */
  warm(cause: WakeCause): Promise<void> {
    return this.#inTurn(this.#warming, () => this.#warm(cause, false, () => undefined));
  }

  #inTurn(joined: Joined, work: () => Promise<void>): Promise<void> {
    return joined.run(() => this.#serial.run(work));
  }

  /** As warm(), from a program: returns at once, and is ignored during the delay after a failure. */
  signal(cause: WakeCause): void {
    if (this.state === "active" || this.#end.isNear() || this.#warming.isUnderWay() || this.#isWaiting()) return;
    // the failure is logged and kept where it happens
    this.warm(cause).catch(() => undefined);
  }

  /** While a failed start is undone and during the delay after it nothing can wake the target: refuses the flows that are held for it. */
  refuseWhileWaiting(): void {
    if (this.#end.leavesHeld()) return;
    const isUndoing = this.state === "warming" && this.#warmAbort?.signal.aborted === true;
    const isDelayed = this.state === "inactive" && !this.#warming.isUnderWay() && this.#isWaiting();
    if (isUndoing || isDelayed) this.group.refuseHeld();
  }

  #isWaiting(): boolean {
    return this.#backoff.remaining() > 0;
  }

  /** `isRunning`: the service was found running. `onReady`: called when it is ready, and the mappings are about to be opened. */
  async #warm(cause: WakeCause, isRunning: boolean, onReady: () => void): Promise<void> {
    if (this.state === "active") return;
    if (this.#end.isNear()) throw new Fault("TARGET_CLOSED", `the target "${this.name}" is closed`);
    const abort = new AbortController();
    const { signal } = (this.#warmAbort = abort);
    if (!isRunning) this.#death = undefined;
    const begun = this.#clock.now();
    const date = this.#clock.date();
    this.#machine.transition("inactive", "warming", { ...cause });
    let started = isRunning;
    try {
      if (!isRunning) await this.#options.prepare();
      this.#checkWarm();
      if (!isRunning) await this.#handler.warm(signal);
      started = true;
      this.#checkWarm();
      await this.#options.untilReady(this.#config.ready, signal);
      this.#checkWarm();
      const activated = this.group.activate();
      onReady();
      await activated;
      this.#checkWarm();
    } catch (error) {
      const failure = this.#reasonOfDeath() ?? error;
      const retryInMs = this.#end.isNear() ? undefined : this.#backoff.failed();
      this.#fail(failure);
      // what was started may take its time to stop: clients need not wait for that
      abort.abort(failure);
      this.#turnAway();
      await this.#undoWarm(started);
      const why = messageOf(failure);
      const fields = this.#end.isNear() ? { reason: why } : { error: why, retry_in_ms: retryInMs };
      this.#machine.transition("warming", "inactive", fields);
      this.#turnAway();
      throw failure;
    }
    this.#backoff.succeeded();
    const tookMs = Math.round(this.#clock.now() - begun);
    if (!isRunning) this.history.woke({ ...cause, date, tookMs });
    this.#machine.transition("warming", "active", { ...cause, took_ms: tookMs });
    this.#watchIdle();
  }

  #checkWarm(): void {
    this.#warmAbort?.signal.throwIfAborted();
    this.#checkAlive();
  }

  // as a function, since what it reads changes while the caller waits
  #reasonOfDeath(): Fault | undefined {
    return this.#death;
  }

  /** Whether the service is to go on when this is closed. */
  #isKept(): boolean {
    return this.#end.isWith("keep") && this.#handler.detach !== undefined;
  }

  /** At an end with "keep" they are dropped with the queue, so that TCP clients try again, and the next daemon has them. */
  #turnAway(): void {
    if (!this.#end.leavesHeld()) this.group.refuseHeld();
  }

  /** Never throws: what fails is logged, the failure of the warm itself is what counts. */
  async #undoWarm(started: boolean): Promise<void> {
    if (this.#isKept()) return;
    await this.#path.shut();
    if (started && this.#reasonOfDeath() === undefined) {
      await this.#handler.drain().catch((error: unknown) => {
        this.#log.error("could not undo a failed start", { error: messageOf(error) });
      });
    }
    // once more, should the first time have failed: it costs nothing where it has not
    await this.#path.leave(this.#end.closing);
  }

  /**
   * Drains, or joins a drain under way. Without `force`, not while a flow is alive.
   * @throws Fault TARGET_WANTED (see `wants`), TARGET_BUSY (says how many flows), FLOWS_UNKNOWN, NOT_SHUT, TARGET_CLOSED, or what the
   *   handler or dataplane failed with
   */
  drain(reason: string, force: boolean): Promise<void> {
    const objection = this.#end.isClosing() ? undefined : this.wants.objection(this.name);
    if (objection !== undefined) return Promise.reject(objection);
    return this.#inTurn(this.#draining, () => this.#drain(reason, force ? undefined : () => this.#path.aliveFlows()));
  }

  /** `objection` is asked once new flows are held; what it returns calls the drain off. @throws that, after going back to active */
  async #drain(reason: string, objection?: () => Promise<Fault | undefined>): Promise<void> {
    if (this.state === "closed" || this.state === "inactive") return;
    this.#idleDrain?.stop();
    this.#machine.transition("active", "draining", { reason });
    const isShut = await this.#path.shut();
    const why = objection === undefined ? undefined : await this.#path.objectionTo(isShut, objection);
    if (why !== undefined && (!this.#end.isNear() || this.#isKept())) {
      await this.#callOff(why);
      throw why;
    }
    // if it could not be shut: stopping the service is what was asked for all the same
    const cut = (): Promise<void> => (isShut ? this.group.cutFlows() : this.#path.leave(this.#end.closing));
    const failures = await runAll([() => this.#handler.drain(), cut]);
    if (this.#death === undefined) this.#backoff.reset();
    const failure = collected(failures, "");
    if (failure !== undefined) this.#fail(failure);
    this.#machine.transition("draining", "inactive", { reason, error: failure === undefined ? undefined : messageOf(failure) });
    if (failure !== undefined) throw failure as Error;
  }

  /** Back to active, nothing lost: what came meanwhile was held. */
  async #callOff(why: Fault): Promise<void> {
    try {
      await this.#path.reopen(() => this.#reasonOfDeath() !== undefined || this.#end.isNear(), this.#end.closing);
      this.#checkAlive();
    } catch (error) {
      await this.#undoWarm(true);
      this.#fail(error);
      this.#machine.transition("draining", "inactive", { error: messageOf(error), retry_in_ms: this.#backoff.failed() });
      this.#turnAway();
      throw error;
    }
    this.#machine.transition("draining", "active", { reason: messageOf(why) });
    if (!this.#end.isNear()) this.#watchIdle();
  }

  #checkAlive(): void {
    const death = this.#reasonOfDeath();
    if (death !== undefined) throw death;
  }

  #watchIdle(): void {
    this.#idleDrain = new IdleDrain({
      group: this.group,
      idleTimeoutMs: this.#config.idleTimeoutMs,
      clock: this.#clock,
      log: this.#log,
      wants: this.wants,
      drain: (reason, idleAt, signal) =>
        this.#serial.run(async () => {
          if (signal.aborted || this.state !== "active" || this.wants.first() !== undefined) return;
          await this.#drain(reason, () => this.#path.busySince(idleAt));
        }),
    });
    this.#idleDrain.start();
  }

  /** Called by the handler at any time. */
  #died(reason: Fault): void {
    if (this.state === "closed") return;
    // also between the moment that it was found running and its turn
    this.#death = reason;
    if (this.state === "warming") this.#warmAbort?.abort(reason);
    // a drain under way finds out when it is called off; otherwise that is how it was to end
    if (this.state !== "active") return;
    this.#idleDrain?.stop();
    const retryInMs = this.#backoff.failed();
    this.#fail(reason);
    // before the state tells anyone: whoever warms now gets in line behind it
    void this.#serial.run(() => this.#path.leave(this.#end.closing));
    this.#machine.transition("active", "inactive", { error: messageOf(reason), retry_in_ms: retryInMs });
  }

  /**
   * Drains if need be and releases everything. With "keep", a service whose kind can be found again goes on, and so does its way in
   * the packet path. Idempotent. @throws AggregateError of what failed; it is closed all the same
   */
  close(how: Ending = "stop"): Promise<void> {
    this.#closing ??= this.#close(how);
    return this.#closing;
  }

  async #close(how: Ending): Promise<void> {
    this.#end.close(how);
    this.#warmAbort?.abort(new Fault("TARGET_CLOSED", `the target "${this.name}" is being closed`));
    this.#idleDrain?.stop();
    const failures: unknown[] = [];
    await this.#serial.run(async () => {
      for (const step of this.#isKept() ? [() => this.#leave()] : this.#lastSteps()) {
        await step().catch((error: unknown) => {
          if (!hasCode(error, "TARGET_CLOSED")) failures.push(error);
        });
      }
      this.#machine.transition("inactive", "closed", { reason: "closing" }, "debug");
      this.#machine.forgetListeners();
    });
    const failure = collected(failures, `the target "${this.name}" could not be closed cleanly`);
    if (failure !== undefined) throw failure as Error;
  }

  #lastSteps(): (() => Promise<void>)[] {
    const group = this.#end.isWith("keep") ? undefined : this.#group;
    return [() => this.#drain("closing"), () => this.#handler.close(), () => group?.close() ?? Promise.resolve()];
  }

  async #leave(): Promise<void> {
    if (this.state === "active") this.#machine.transition("active", "inactive", { reason: "left running for the next start" });
    await this.#handler.detach?.();
  }

  #fail(error: unknown): void {
    if (!hasCode(error, "TARGET_CLOSED")) this.#machine.failed(error);
  }
}
