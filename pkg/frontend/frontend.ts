/**
 * Package frontend: the addresses that clients of one target connect to.
 *
 * Owns the frontend's state, its handler and its mapping. Must not change its target's state: it asks.
 */
import type { FrontendConfig } from "../config/types.ts";
import type { HeldFlow, Mapping, MappingCounters } from "../dataplane/dataplane.ts";
import { collected, Fault, hasCode, messageOf } from "../fault/fault.ts";
import type { Log } from "../log/log.ts";
import { Serial } from "../serial/serial.ts";
import type { Target } from "../target/target.ts";
import { formatAddrPort } from "../value/addr-port.ts";
import type { Clock } from "../clock/clock.ts";
import type { FrontendHandler, FrontendTarget, Want } from "./handler.ts";
import { FRONTEND_TRANSITIONS, type FrontendState } from "./state.ts";

const GATE_REASONS = [
  ["denied", "by deny, or not in allow"],
  ["ignored", "in ignore, and the target is not active"],
  ["limited", "more than wake_limit from one address"],
] as const;

export interface FrontendOptions {
  readonly config: FrontendConfig;
  readonly target: Target;
  readonly clock: Clock;
  readonly log: Log;
  readonly createHandler: (target: FrontendTarget) => FrontendHandler;
}

export class Frontend {
  readonly config: FrontendConfig;
  readonly target: Target;
  readonly #options: FrontendOptions;
  readonly #log: Log;
  readonly #serial = new Serial();
  readonly #handler: FrontendHandler;
  /** What the handler asked of the target and has not given back. */
  readonly #releases = new Set<() => void>();
  #mapping: Mapping | undefined;
  #reported: MappingCounters | undefined;
  #state: FrontendState = "stopped";
  #lastError: { readonly message: string; readonly date: Date } | undefined;
  #startAbort = new AbortController();
  #closing: Promise<void> | undefined;

  /** Does nothing; open() acquires. */
  constructor(options: FrontendOptions) {
    this.config = options.config;
    this.target = options.target;
    this.#options = options;
    this.#log = options.log;
    this.#handler = options.createHandler(this.#targetView());
  }

  get name(): string {
    return this.config.name;
  }

  get state(): FrontendState {
    return this.#state;
  }

  get lastError(): { readonly message: string; readonly date: Date } | undefined {
    return this.#lastError;
  }

  /** Claims the listen addresses. Called once, before anything else, with the target open. @throws Fault MAPPING_EXISTS, MAPPING_OVERLAPS */
  open(): void {
    const { name, protocol, routes, flowTimeoutMs, masquerade, whenCold, hold, gates } = this.config;
    const onHeld = ({ source }: HeldFlow): void => {
      this.#held(formatAddrPort(source));
    };
    this.#mapping = this.target.group.createMapping({
      name,
      protocol,
      routes,
      flowTimeoutMs,
      masquerade,
      whenCold,
      hold,
      gates,
      onHeld,
    });
  }

  #held(source: string): void {
    this.target.refuseWhileWaiting();
    try {
      this.#handler.held?.(source);
    } catch (error) {
      this.#log.error("the frontend's handler failed on a held flow", { error: messageOf(error) });
    }
  }

  /** Tells, at debug level, what its gates turned away since it was last asked to. The kernel does that, so nobody else can. */
  async reportGates(): Promise<void> {
    const { allow, deny, ignore, wakeLimit } = this.config.gates;
    if (this.#state !== "running" || (allow.length + deny.length + ignore.length === 0 && wakeLimit === undefined)) return;
    const now = await this.traffic();
    for (const [gate, reason] of GATE_REASONS) {
      const packets = now[gate] - (this.#reported?.[gate] ?? 0);
      if (packets > 0) this.#log.debug("turned packets of new flows away", { packets, reason });
    }
    this.#reported = now;
  }

  /** What its gates turned away and what was held. @throws Fault FRONTEND_CLOSED, or of the dataplane */
  async traffic(): Promise<MappingCounters & { readonly holding: number }> {
    const mapping = this.#openMapping();
    return { ...(await mapping.counters()), holding: mapping.held };
  }

  /** Idempotent. @throws Fault FRONTEND_CLOSED, or what the handler or dataplane failed with; it is stopped then */
  start(reason: string): Promise<void> {
    return this.#serial.run(async () => {
      if (this.#state === "running") return;
      const mapping = this.#openMapping();
      this.#startAbort = new AbortController();
      this.#transition("stopped", "starting", { reason });
      try {
        await mapping.enable();
        await this.#handler.start(this.#startAbort.signal);
        this.#startAbort.signal.throwIfAborted();
      } catch (error) {
        const failures = await this.#undo([() => this.#handler.stop(), () => mapping.disable()]);
        this.#fail(error);
        this.#transition("starting", "stopped", { error: messageOf(collected([error, ...failures], "")) });
        throw error;
      }
      this.#transition("starting", "running", { reason });
    });
  }

  /** Flows that exist go on. Idempotent. @throws what failed; it is stopped all the same */
  stop(reason: string): Promise<void> {
    return this.#serial.run(() => this.#stop(reason));
  }

  async #stop(reason: string): Promise<void> {
    if (this.#state !== "running") return;
    const mapping = this.#mapping;
    this.#transition("running", "stopping", { reason });
    const failures = await this.#undo([() => this.#handler.stop(), () => mapping?.disable() ?? Promise.resolve()]);
    const failure = collected(failures, "");
    if (failure !== undefined) this.#fail(failure);
    this.#transition("stopping", "stopped", { reason, error: failure === undefined ? undefined : messageOf(failure) });
    if (failure !== undefined) throw failure as Error;
  }

  /** Stops and releases everything. Idempotent. @throws AggregateError of what failed; it is closed all the same */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#startAbort.abort(new Fault("FRONTEND_CLOSED", `the frontend "${this.name}" is being closed`));
    const failures = await this.#serial.run(async () => {
      const found = await this.#undo([
        () => this.#stop("closing"),
        () => this.#handler.close(),
        () => this.#mapping?.close() ?? Promise.resolve(),
      ]);
      this.#transition("stopped", "closed", { reason: "closing" });
      return found;
    });
    const failure = collected(failures, `the frontend "${this.name}" could not be closed cleanly`);
    if (failure !== undefined) throw failure as Error;
  }

  /** Takes each step whatever the one before did, gives back what the handler asked of the target; returns the failures. */
  async #undo(steps: readonly (() => Promise<void>)[]): Promise<unknown[]> {
    const failures: unknown[] = [];
    for (const step of steps) await step().catch((error: unknown) => failures.push(error));
    for (const release of [...this.#releases]) release();
    return failures;
  }

  #openMapping(): Mapping {
    if (this.#mapping === undefined || this.#closing !== undefined) {
      throw new Fault("FRONTEND_CLOSED", `the frontend "${this.name}" is closed`);
    }
    return this.#mapping;
  }

  #targetView(): FrontendTarget {
    const { target } = this;
    const ended = (): boolean => this.#state !== "starting" && this.#state !== "running";
    const track = (release: () => void): (() => void) => {
      const once = (): void => {
        if (this.#releases.delete(once)) release();
      };
      this.#releases.add(once);
      return once;
    };
    return {
      name: target.name,
      get state() {
        return target.state;
      },
      warm: (reason, source) => {
        if (ended()) return;
        target.signal({ reason, frontend: this.name, ...(source === undefined ? {} : { source }) });
      },
      want: (): Want => ({ release: ended() ? () => undefined : track(target.wants.add(this.name)) }),
      onState: (listener) => track(target.onState(listener)),
    };
  }

  #fail(error: unknown): void {
    if (hasCode(error, "FRONTEND_CLOSED")) return;
    this.#lastError = { message: messageOf(error), date: this.#options.clock.date() };
  }

  /** The only place that assigns the state. */
  #transition(from: FrontendState, to: FrontendState, fields: Record<string, unknown>): void {
    if (this.#state !== from || !FRONTEND_TRANSITIONS[from].includes(to)) {
      throw new Fault("STATE_ILLEGAL", `frontend "${this.name}": ${this.#state} cannot become ${to}`);
    }
    this.#state = to;
    this.#log[fields["error"] === undefined ? "info" : "error"]("frontend state", { from, to, ...fields });
  }
}
