/**
 * Package state: what state a target or frontend is in, and what last went wrong with it.
 *
 * Owns the one place that assigns a state. Must not know what the states mean: the table of moves is its user's.
 */
import type { Clock } from "../clock/clock.ts";
import { Fault, messageOf } from "../fault/fault.ts";
import type { Log } from "../log/log.ts";

/** The last thing that went wrong, whatever came after it. */
export interface LastError {
  readonly message: string;
  readonly date: Date;
}

/** What is told of a move, by the names that the log and events have. */
export interface MoveFields {
  readonly reason?: string;
  readonly frontend?: string;
  readonly source?: string;
  readonly took_ms?: number;
  readonly error?: string | undefined;
  readonly retry_in_ms?: number | undefined;
}

export type MoveListener<State extends string> = (from: State, to: State, fields: MoveFields) => void;

/** What machines of one sort share. */
export interface MachineSort<State extends string> {
  /** For messages: `target`. */
  readonly noun: string;
  readonly initial: State;
  /** From each state, those that may follow. */
  readonly moves: Readonly<Record<State, readonly State[]>>;
}

export interface StateMachineOptions<State extends string> {
  readonly sort: MachineSort<State>;
  /** Whose state it is, for messages. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Called after each move, before those who listen with onState(). Must not throw. */
  readonly moved?: MoveListener<State> | undefined;
}

/** There are tens of thousands: it has no object of its own that it can do without. */
export class StateMachine<State extends string> {
  readonly #sort: MachineSort<State>;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #moved: MoveListener<State> | undefined;
  /** Made when somebody listens. */
  #listeners: Set<(state: State) => void> | undefined;
  #state: State;
  /** Milliseconds, as Date has them. */
  #since: number;
  #lastError: LastError | undefined;

  constructor({ sort, name, clock, log, moved }: StateMachineOptions<State>) {
    this.#sort = sort;
    this.#name = name;
    this.#clock = clock;
    this.#log = log;
    this.#moved = moved;
    this.#state = sort.initial;
    this.#since = clock.date().getTime();
  }

  get state(): State {
    return this.#state;
  }

  /** When it came into that state. */
  get since(): Date {
    return new Date(this.#since);
  }

  get lastError(): LastError | undefined {
    return this.#lastError;
  }

  /** Keeps what went wrong, for the status. */
  failed(error: unknown): void {
    this.#lastError = { message: messageOf(error), date: this.#clock.date() };
  }

  /** Logs `fields`, at error level if there is an `error` among them, else at `level`. @throws Fault STATE_ILLEGAL */
  transition(from: State, to: State, fields: MoveFields, level: "info" | "debug" = "info"): void {
    const { noun, moves } = this.#sort;
    if (this.#state !== from || !moves[from].includes(to)) {
      throw new Fault("STATE_ILLEGAL", `${noun} "${this.#name}": ${this.#state} cannot become ${to}`);
    }
    this.#state = to;
    this.#since = this.#clock.date().getTime();
    this.#log[fields.error === undefined ? level : "error"](`${noun} state`, { from, to, ...fields });
    this.#moved?.(from, to, fields);
    for (const listener of [...(this.#listeners ?? [])]) {
      try {
        listener(to);
      } catch (error) {
        this.#log.error("a listener of the state failed", { error: messageOf(error) });
      }
    }
  }

  /** Calls `listener` after each move, until the returned function is called. */
  onState(listener: (state: State) => void): () => void {
    const listeners = (this.#listeners ??= new Set());
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  forgetListeners(): void {
    this.#listeners?.clear();
  }
}
