/**
 * Package frontend: the addresses that clients of one target connect to.
 *
 * Owns the frontend's state, its handler and its mapping. Must not change its target's state: it asks.
 */
import { isDeepStrictEqual } from "node:util";
import type { Ending, FrontendConfig, Route } from "../config/types.ts";
import type { HeldFlow, Mapping, MappingCounters, ReleaseListener } from "../dataplane/dataplane.ts";
import { collected, Fault, hasCode, messageOf } from "../fault/fault.ts";
import type { Log } from "../log/log.ts";
import { runAll } from "../serial/run-all.ts";
import { Serial } from "../serial/serial.ts";
import type { LastError, MoveListener, StateMachine } from "../state/state-machine.ts";
import type { Target } from "../target/target.ts";
import { formatAddrPort } from "../value/addr-port.ts";
import type { Clock } from "../clock/clock.ts";
import { type Gate, GATE_REASONS, GateReport } from "./gate-report.ts";
import { GuardedHandler } from "./guarded-handler.ts";
import type { FrontendHandler, FrontendTarget } from "./handler.ts";
import { frontendMachine, type FrontendState } from "./state.ts";
import { TargetView } from "./target-view.ts";

/** What it tells as it happens. Must not throw. */
export interface FrontendListener {
  moved: MoveListener<FrontendState>;
  /** The first packet of a flow is held. */
  held(source: string): void;
  /** A flow is held no more. */
  released: ReleaseListener;
  /** Told by reportGates(): so many packets since the last time. */
  refused(gate: Gate, packets: number): void;
}

export interface FrontendOptions {
  readonly config: FrontendConfig;
  readonly target: Target;
  readonly clock: Clock;
  readonly log: Log;
  readonly createHandler: (target: FrontendTarget) => FrontendHandler;
  readonly listener?: FrontendListener;
}

export class Frontend {
  readonly target: Target;
  readonly #options: FrontendOptions;
  readonly #log: Log;
  readonly #serial = new Serial();
  readonly #handler: GuardedHandler;
  readonly #view: TargetView;
  readonly #machine: StateMachine<FrontendState>;
  #config: FrontendConfig;
  #mapping: Mapping | undefined;
  #gates: GateReport | undefined;
  #wanted = false;
  /** Its handler is stopped for good. */
  #quiet = false;
  /** Of a start that is under way. */
  #startAbort: AbortController | undefined;
  #closing: Promise<void> | undefined;

  /** Does nothing; open() acquires. */
  constructor(options: FrontendOptions) {
    this.#config = options.config;
    this.target = options.target;
    this.#options = options;
    this.#log = options.log;
    const { clock, log, listener } = options;
    this.#machine = frontendMachine(options.config.name, { clock, log, moved: listener?.moved });
    const hasEnded = (): boolean => this.state !== "starting" && this.state !== "running";
    this.#view = new TargetView(options.target, options.config.name, hasEnded);
    this.#handler = new GuardedHandler({ config: options.config, clock, log, create: options.createHandler, target: this.#view });
  }

  get config(): FrontendConfig {
    return this.#config;
  }

  get name(): string {
    return this.#config.name;
  }

  get state(): FrontendState {
    return this.#machine.state;
  }

  /** When it came into that state. */
  get since(): Date {
    return this.#machine.since;
  }

  get lastError(): LastError | undefined {
    return this.#machine.lastError;
  }

  /** Whether it is to run, as far as anybody said: also when its start failed, or it had to be stopped. */
  get isWanted(): boolean {
    return this.#wanted;
  }

  /** Claims the listen addresses, with the target open; start() does where this was not called, or failed. @throws Fault MAPPING_EXISTS, MAPPING_OVERLAPS */
  open(): void {
    this.#mapping = this.#createMapping();
  }

  #createMapping(): Mapping {
    const { name, protocol, routes, flowTimeoutMs, masquerade, whenCold, hold, gates } = this.#config;
    const onHeld = (flow: HeldFlow): void => {
      this.#held(flow);
    };
    const onReleased = this.#options.listener?.released;
    const mapping = this.target.group.createMapping({
      name,
      protocol,
      routes,
      flowTimeoutMs,
      masquerade,
      whenCold,
      hold,
      gates,
      onHeld,
      ...(onReleased === undefined ? {} : { onReleased }),
    });
    this.#gates = new GateReport(mapping, gates);
    return mapping;
  }

  #held({ source, handedOver }: HeldFlow): void {
    const from = formatAddrPort(source);
    if (!handedOver) this.#options.listener?.held(from);
    this.target.refuseWhileWaiting();
    this.#handler.held(from);
  }

  /** Tells what its gates turned away since it was last asked to. The kernel does that, so nobody else can. @throws Fault of the dataplane */
  async reportGates(): Promise<void> {
    if (this.state !== "running" || this.#closing !== undefined || this.#quiet) return;
    for (const { gate, packets } of (await this.#gates?.since()) ?? []) {
      this.#log.debug("turned packets of new flows away", { packets, reason: GATE_REASONS[gate] });
      this.#options.listener?.refused(gate, packets);
    }
  }

  /** Without it, what is told first may be too much. */
  async #beginGates(): Promise<void> {
    await this.#gates?.begin().catch(() => undefined);
  }

  /** What its gates turned away and what was held; undefined while it has no mapping. @throws Fault of the dataplane */
  async traffic(): Promise<(MappingCounters & { readonly holding: number }) | undefined> {
    const mapping = this.#mapping;
    if (mapping === undefined || this.#closing !== undefined || this.#quiet) return undefined;
    return { ...(await mapping.counters()), holding: mapping.held };
  }

  /**
   * Idempotent. `level`: at which its moves are logged, if they succeed.
   * @throws Fault FRONTEND_CLOSED, or what the handler or dataplane failed with; it is stopped then
   */
  start(reason: string, level: "info" | "debug" = "info"): Promise<void> {
    return this.#serial.run(async () => {
      this.#wanted = true;
      if (this.state === "running") return;
      const mapping = this.#openMapping();
      const { signal } = (this.#startAbort = new AbortController());
      this.#machine.transition("stopped", "starting", { reason }, level);
      try {
        await mapping.enable();
        await this.#beginGates();
        await this.#handler.start(signal);
        signal.throwIfAborted();
        this.#startAbort = undefined;
      } catch (error) {
        const failures = await this.#undo([() => this.#handler.stop(), () => mapping.disable()]);
        this.#fail(error);
        this.#machine.transition("starting", "stopped", { error: messageOf(collected([error, ...failures], "")) });
        throw error;
      }
      this.#machine.transition("starting", "running", { reason }, level);
    });
  }

  /** Flows that exist go on. Idempotent. @throws what failed; it is stopped all the same */
  stop(reason: string): Promise<void> {
    return this.#serial.run(() => {
      this.#wanted = false;
      return this.#stop(reason);
    });
  }

  async #stop(reason: string): Promise<void> {
    if (this.state !== "running") return;
    const mapping = this.#mapping;
    this.#machine.transition("running", "stopping", { reason });
    const failures = await this.#undo([() => this.#handler.stop(), () => mapping?.disable() ?? Promise.resolve()]);
    const failure = collected(failures, "");
    if (failure !== undefined) this.#fail(failure);
    this.#machine.transition("stopping", "stopped", { reason, error: failure === undefined ? undefined : messageOf(failure) });
    if (failure !== undefined) throw failure as Error;
  }

  /**
   * Whether update() can take over `config`: kind, protocol, listen addresses and target are the same, and the options are, or the
   * handler can take them over. If not, it must be made anew.
   */
  accepts(config: FrontendConfig): boolean {
    const { kind, protocol, target, options, routes } = this.#config;
    const listens = (each: readonly Route[]): unknown => each.map(({ listen }) => listen);
    const before = [kind, protocol, target, listens(routes)];
    if (!isDeepStrictEqual(before, [config.kind, config.protocol, config.target, listens(config.routes)])) return false;
    return isDeepStrictEqual(options, config.options) || this.#handler.reconfigure(config.options) !== undefined;
  }

  /** Gives the mapping its new properties in one transaction, and the handler its options. @throws what failed; it is stopped then */
  update(config: FrontendConfig): Promise<void> {
    return this.#serial.run(async () => {
      if (isDeepStrictEqual(config, this.#config)) return;
      const former = this.#openMapping();
      if (!isDeepStrictEqual(config.options, this.#config.options)) this.#handler.reconfigure(config.options)?.();
      const isSame = isDeepStrictEqual({ ...config, options: undefined }, { ...this.#config, options: undefined });
      this.#config = config;
      if (isSame) return;
      const closed = former.close();
      const mapping = this.#createMapping();
      this.#mapping = mapping;
      const results = await Promise.allSettled([closed, this.state === "running" ? mapping.enable() : undefined]);
      const failure = results.find((each) => each.status === "rejected")?.reason as unknown;
      if (failure === undefined) {
        await this.#beginGates();
        return;
      }
      this.#fail(failure);
      await this.#stop("its mapping could not be changed").catch(() => undefined);
      throw failure as Error;
    });
  }

  /** Stops the handler, and goes on taking clients until close(), which is to follow. Failures are logged. */
  quiesce(): Promise<void> {
    return this.#serial.run(async () => {
      this.#quiet = true;
      const failures = this.state === "running" ? await this.#undo([() => this.#handler.stop()]) : [];
      for (const error of failures) this.#log.error("could not stop the frontend's handler", { error: messageOf(error) });
    });
  }

  /**
   * Stops and releases everything; its listen addresses are free in this turn when it is quiesced or stopped. With "keep", its way in
   * the packet path stays. Idempotent. @throws AggregateError of what failed; it is closed all the same
   */
  close(how: Ending = "stop"): Promise<void> {
    this.#closing ??= this.#close(how);
    return this.#closing;
  }

  async #close(how: Ending): Promise<void> {
    this.#startAbort?.abort(new Fault("FRONTEND_CLOSED", `the frontend "${this.name}" is being closed`));
    const leave = (): Promise<void> => (how === "keep" ? undefined : this.#mapping?.close()) ?? Promise.resolve();
    const left = this.#quiet || this.state === "stopped" ? leave() : undefined;
    const failures = await this.#serial.run(async () => {
      const isRunning = this.state === "running";
      // as with configured starts: of thousands of lines, none would tell more than "stopping" does
      if (isRunning) this.#machine.transition("running", "stopping", { reason: "closing" }, "debug");
      const found = await this.#undo([() => this.#handler.stop(), () => left ?? leave(), () => this.#handler.close()]);
      if (isRunning) this.#machine.transition("stopping", "stopped", { reason: "closing" }, "debug");
      this.#machine.transition("stopped", "closed", { reason: "closing" }, "debug");
      return found;
    });
    const failure = collected(failures, `the frontend "${this.name}" could not be closed cleanly`);
    if (failure !== undefined) throw failure as Error;
  }

  /** Takes each step whatever the one before did, gives back what the handler asked of the target; returns the failures. */
  async #undo(steps: readonly (() => Promise<void>)[]): Promise<unknown[]> {
    const failures = await runAll(steps);
    this.#view.releaseAll();
    return failures;
  }

  #openMapping(): Mapping {
    if (this.#closing !== undefined || this.#quiet) throw new Fault("FRONTEND_CLOSED", `the frontend "${this.name}" is closed`);
    this.#mapping ??= this.#createMapping();
    return this.#mapping;
  }

  #fail(error: unknown): void {
    if (!hasCode(error, "FRONTEND_CLOSED")) this.#machine.failed(error);
  }
}
