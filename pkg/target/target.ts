/**
 * Package target: one service that is started and stopped on demand.
 *
 * Owns the target's state, its handler, its group of the dataplane, and the decision when to drain. Must not know what
 * a handler does, nor which frontends there are.
 */
import type { Clock } from "../clock/clock.ts";
import type { TargetConfig } from "../config/types.ts";
import type { Dataplane, Group } from "../dataplane/dataplane.ts";
import { collected, Fault, hasCode, messageOf } from "../fault/fault.ts";
import type { Log } from "../log/log.ts";
import { Serial } from "../serial/serial.ts";
import { Backoff } from "./backoff.ts";
import type { TargetHandler } from "./handler.ts";
import { IdleWatch } from "./idle-watch.ts";
import { PacketPath } from "./packet-path.ts";
import { TARGET_TRANSITIONS, type TargetState } from "./state.ts";
import { Wants } from "./wants.ts";

/** Why a target is warmed. */
export interface WakeCause {
  /** In words, for the log. */
  readonly reason: string;
  readonly frontend?: string;
  /** Whoever came to that frontend. */
  readonly source?: string;
}

/** The last time that a target became active. */
export interface Wake extends WakeCause {
  /** When it was asked for. */
  readonly date: Date;
  /** From then until it was ready. */
  readonly tookMs: number;
}

/** How long a service that was found running may keep the start waiting; one that is ready needs a millisecond. */
const RESUME_MS = 500;

export interface TargetOptions {
  readonly config: TargetConfig;
  readonly dataplane: Dataplane;
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves when the service, which has been started, is ready. @throws why it is not, or the signal's reason */
  readonly untilReady: (signal: AbortSignal) => Promise<void>;
  /** Makes the handler; `died` is to be called when the service ends by itself. */
  readonly createHandler: (died: (reason: Fault) => void) => TargetHandler;
}

export class Target {
  readonly config: TargetConfig;
  /** Parties that want the target to stay up, such as a running `static:always` frontend. */
  readonly wants: Wants;
  readonly #options: TargetOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #serial = new Serial();
  readonly #backoff: Backoff;
  readonly #handler: TargetHandler;
  readonly #listeners = new Set<(state: TargetState) => void>();
  #group: Group | undefined;
  #packetPath: PacketPath | undefined;
  #state: TargetState = "inactive";
  #lastError: { readonly message: string; readonly date: Date } | undefined;
  #lastWake: Wake | undefined;
  /** Under way or waiting for its turn. */
  #warming: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  /** Aborts when close() begins. */
  readonly #closed = new AbortController();
  /** Ends a warm that is under way; aborted while one that failed is undone. */
  #warmAbort = new AbortController();
  /** Ends the idle watch of the present active period. */
  #idleAbort = new AbortController();
  /** Why the service ended by itself, since the last warm began. */
  #death: Fault | undefined;

  /** Does nothing; open() acquires. */
  constructor(options: TargetOptions) {
    this.config = options.config;
    this.#options = options;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#backoff = new Backoff(options.clock);
    this.wants = new Wants();
    this.#handler = options.createHandler((reason) => {
      this.#died(reason);
    });
  }

  get name(): string {
    return this.config.name;
  }

  get state(): TargetState {
    return this.#state;
  }

  /** The last thing that went wrong, whatever came after it. */
  get lastError(): { readonly message: string; readonly date: Date } | undefined {
    return this.#lastError;
  }

  get lastWake(): Wake | undefined {
    return this.#lastWake;
  }

  /** @throws Fault TARGET_CLOSED before open() and after close() */
  get group(): Group {
    if (this.#group === undefined) throw new Fault("TARGET_CLOSED", `the target "${this.name}" is not open`);
    return this.#group;
  }

  get #path(): PacketPath {
    if (this.#packetPath === undefined) throw new Fault("TARGET_CLOSED", `the target "${this.name}" is not open`);
    return this.#packetPath;
  }

  /**
   * Acquires the group, and takes over a service that still runs: if it is ready, the target is active when this
   * resolves. Called once, before anything else. @throws Fault of the dataplane
   */
  async open(): Promise<void> {
    const group = await this.#options.dataplane.createGroup({ name: this.name, endpoints: this.config.endpoints });
    this.#group = group;
    this.#packetPath = new PacketPath({ name: this.name, group, clock: this.#clock, log: this.#log });
    const found = await this.#handler.adopt?.().catch((error: unknown) => {
      this.#log.error("could not find out whether the service still runs", { error: messageOf(error) });
      return false;
    });
    if (found !== true) return;
    // the failure is logged and kept where it happens
    const resumed = this.#warmBy(() => this.#warm({ reason: "found still running" }, true)).catch(() => undefined);
    await Promise.race([resumed, this.#clock.sleep(RESUME_MS)]);
  }

  /** Calls `listener` after each change of state, until the returned function is called. */
  onState(listener: (state: TargetState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Warms, or joins a warm under way. Does not heed the delay after a failure: a person asks.
   * @throws Fault TARGET_CLOSED, NOT_READY, or what the handler or dataplane failed with; the target is inactive then
   */
  warm(cause: WakeCause): Promise<void> {
    return this.#warmBy(() => this.#warm(cause, false));
  }

  #warmBy(work: () => Promise<void>): Promise<void> {
    this.#warming ??= this.#serial.run(work).finally(() => {
      this.#warming = undefined;
    });
    return this.#warming;
  }

  /** As warm(), from a program: returns at once, and is ignored during the delay after a failure. */
  signal(cause: WakeCause): void {
    if (this.#state === "active" || this.#isClosing() || this.#warming !== undefined || this.#isWaiting()) return;
    // the failure is logged and kept where it happens
    this.warm(cause).catch(() => undefined);
  }

  /** While a failed start is undone and during the delay after it nothing can wake the target: refuses the flows that are held for it. */
  refuseWhileWaiting(): void {
    const isUndoing = this.#state === "warming" && this.#warmAbort.signal.aborted;
    const isDelayed = this.#state === "inactive" && this.#warming === undefined && this.#isWaiting();
    if (isUndoing || isDelayed) this.group.refuseHeld();
  }

  #isWaiting(): boolean {
    return this.#backoff.remaining() > 0;
  }

  /** `isRunning`: the service was found running. */
  async #warm(cause: WakeCause, isRunning: boolean): Promise<void> {
    if (this.#state === "active") return;
    if (this.#isClosing()) throw new Fault("TARGET_CLOSED", `the target "${this.name}" is closed`);
    const { signal } = (this.#warmAbort = new AbortController());
    if (!isRunning) this.#death = undefined;
    const begun = this.#clock.now();
    const date = this.#clock.date();
    this.#transition("inactive", "warming", { ...cause });
    let started = isRunning;
    try {
      if (!isRunning) await this.#handler.warm(signal);
      started = true;
      this.#checkWarm();
      await this.#options.untilReady(signal);
      this.#checkWarm();
      await this.group.activate();
      this.#checkWarm();
    } catch (error) {
      const failure = this.#reasonOfDeath() ?? error;
      const retryInMs = this.#isClosing() ? undefined : this.#backoff.failed();
      this.#fail(failure);
      // what was started may take its time to stop: clients need not wait for that
      this.#warmAbort.abort(failure);
      this.group.refuseHeld();
      await this.#undoWarm(started);
      const why = messageOf(failure);
      this.#transition("warming", "inactive", this.#isClosing() ? { reason: why } : { error: why, retry_in_ms: retryInMs });
      this.group.refuseHeld();
      throw failure;
    }
    this.#backoff.succeeded();
    const tookMs = Math.round(this.#clock.now() - begun);
    if (!isRunning) this.#lastWake = { ...cause, date, tookMs };
    this.#transition("warming", "active", { ...cause, took_ms: tookMs });
    this.#watchIdle();
  }

  #checkWarm(): void {
    this.#warmAbort.signal.throwIfAborted();
    this.#checkAlive();
  }

  // as functions, since what they read changes while the caller waits
  #reasonOfDeath(): Fault | undefined {
    return this.#death;
  }

  #isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** Never throws: what fails is logged, the failure of the warm itself is what counts. */
  async #undoWarm(started: boolean): Promise<void> {
    await this.#path.shut();
    if (started && this.#reasonOfDeath() === undefined) {
      await this.#handler.drain().catch((error: unknown) => {
        this.#log.error("could not undo a failed start", { error: messageOf(error) });
      });
    }
    // once more, should the first time have failed: it costs nothing where it has not
    await this.#path.leave(this.#closed.signal);
  }

  /**
   * Drains, or joins a drain under way. Without `force`, not while a flow is alive.
   * @throws Fault TARGET_WANTED (see `wants`), TARGET_BUSY (says how many flows), FLOWS_UNKNOWN, TARGET_CLOSED, or what the handler or
   *   dataplane failed with
   */
  drain(reason: string, force: boolean): Promise<void> {
    const party = this.wants.first();
    if (party !== undefined && !this.#isClosing()) {
      const message = `"${this.name}" is wanted by the running frontend "${party}": stop that first (proxygwctl stop ${party})`;
      return Promise.reject(new Fault("TARGET_WANTED", message));
    }
    this.#draining ??= this.#serial
      .run(() => this.#drain(reason, force ? undefined : () => this.#path.aliveFlows()))
      .finally(() => {
        this.#draining = undefined;
      });
    return this.#draining;
  }

  /** `objection` is asked once new flows are held; what it returns calls the drain off. @throws that, after going back to active */
  async #drain(reason: string, objection?: () => Promise<Fault | undefined>): Promise<void> {
    if (this.#state === "closed" || this.#state === "inactive") return;
    this.#idleAbort.abort();
    this.#transition("active", "draining", { reason });
    const isShut = await this.#path.shut();
    // where nobody can tell, a flow may be alive
    const why = await objection?.().catch(
      (cause: unknown) => new Fault("FLOWS_UNKNOWN", `could not find out whether flows are alive on "${this.name}"`, { cause }),
    );
    if (why !== undefined && !this.#isClosing()) {
      await this.#callOff(why);
      throw why;
    }
    const failures: unknown[] = [];
    // if it could not be shut: stopping the service is what was asked for all the same
    const cut = (): Promise<void> => (isShut ? this.group.cutFlows() : this.#path.leave(this.#closed.signal));
    for (const step of [() => this.#handler.drain(), cut]) {
      await step().catch((error: unknown) => failures.push(error));
    }
    if (this.#death === undefined) this.#backoff.reset();
    const failure = collected(failures, "");
    if (failure !== undefined) this.#fail(failure);
    this.#transition("draining", "inactive", { reason, error: failure === undefined ? undefined : messageOf(failure) });
    if (failure !== undefined) throw failure as Error;
  }

  /** Back to active, nothing lost: what came meanwhile was held. */
  async #callOff(why: Fault): Promise<void> {
    try {
      await this.group.activate();
      this.#checkAlive();
    } catch (error) {
      await this.#undoWarm(true);
      this.#fail(error);
      this.#transition("draining", "inactive", { error: messageOf(error), retry_in_ms: this.#backoff.failed() });
      this.group.refuseHeld();
      throw error;
    }
    this.#transition("draining", "active", { reason: messageOf(why) });
    this.#watchIdle();
  }

  #checkAlive(): void {
    const death = this.#reasonOfDeath();
    if (death !== undefined) throw death;
  }

  #watchIdle(): void {
    const abort = new AbortController();
    this.#idleAbort = abort;
    const watch = new IdleWatch({
      group: this.group,
      idleTimeoutMs: this.config.idleTimeoutMs,
      clock: this.#clock,
      log: this.#log,
    });
    this.#drainWhenIdle(watch, abort.signal).catch((error: unknown) => {
      if (!abort.signal.aborted && !hasCode(error, "TARGET_BUSY"))
        this.#log.error("could not drain the idle target", { error: messageOf(error) });
    });
  }

  async #drainWhenIdle(watch: IdleWatch, signal: AbortSignal): Promise<void> {
    let idleAt: number;
    do {
      await this.wants.none(signal);
      idleAt = await watch.idle(signal);
    } while (this.wants.first() !== undefined);
    await this.#serial.run(async () => {
      if (signal.aborted || this.#state !== "active" || this.wants.first() !== undefined) return;
      await this.#drain(`idle for ${this.config.idleTimeoutMs} ms`, () => this.#path.busySince(idleAt));
    });
  }

  /** Called by the handler at any time. */
  #died(reason: Fault): void {
    if (this.#state === "closed") return;
    // also between the moment that it was found running and its turn
    this.#death = reason;
    if (this.#state === "warming") this.#warmAbort.abort(reason);
    // a drain under way finds out when it is called off; otherwise that is how it was to end
    if (this.#state !== "active") return;
    this.#idleAbort.abort();
    const retryInMs = this.#backoff.failed();
    this.#fail(reason);
    // before the state tells anyone: whoever warms now gets in line behind it
    void this.#serial.run(() => this.#path.leave(this.#closed.signal));
    this.#transition("active", "inactive", { error: messageOf(reason), retry_in_ms: retryInMs });
  }

  /** Drains if need be and releases everything. Idempotent. @throws AggregateError of what failed; it is closed all the same */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#warmAbort.abort(new Fault("TARGET_CLOSED", `the target "${this.name}" is being closed`));
    this.#closed.abort();
    this.#idleAbort.abort();
    const failures: unknown[] = [];
    await this.#serial.run(async () => {
      const steps = [() => this.#drain("closing"), () => this.#handler.close(), () => this.#group?.close() ?? Promise.resolve()];
      for (const step of steps) {
        await step().catch((error: unknown) => {
          if (!hasCode(error, "TARGET_CLOSED")) failures.push(error);
        });
      }
      this.#transition("inactive", "closed", { reason: "closing" });
      this.#listeners.clear();
    });
    const failure = collected(failures, `the target "${this.name}" could not be closed cleanly`);
    if (failure !== undefined) throw failure as Error;
  }

  #fail(error: unknown): void {
    if (hasCode(error, "TARGET_CLOSED")) return;
    this.#lastError = { message: messageOf(error), date: this.#clock.date() };
  }

  /** The only place that assigns the state. */
  #transition(from: TargetState, to: TargetState, fields: Record<string, unknown>): void {
    if (this.#state !== from || !TARGET_TRANSITIONS[from].includes(to)) {
      throw new Fault("STATE_ILLEGAL", `target "${this.name}": ${this.#state} cannot become ${to}`);
    }
    this.#state = to;
    const level = fields["error"] === undefined ? "info" : "error";
    this.#log[level]("target state", { from, to, ...fields });
    for (const listener of [...this.#listeners]) {
      try {
        listener(to);
      } catch (error) {
        this.#log.error("a listener of the target's state failed", { error: messageOf(error) });
      }
    }
  }
}
