import type { Clock } from "../../pkg/clock/clock.ts";
import type { EngineEvent } from "../../pkg/plugin/event.ts";
import { ask, type Request, subscribe } from "./client.ts";
import type { Endpoint, Files } from "./endpoint.ts";
import type { Style } from "./style.ts";
import type { Terminal } from "./terminal.ts";

/** Milliseconds for what the daemon answers from what it has. */
export const ANSWER_TIMEOUT_MS = 5000;
/** Of a request that looks at every flow of the machine: the daemon itself gives that up after ten seconds. */
export const FLOWS_TIMEOUT_MS = 12_000;

/** What the program needs of its surroundings. */
export interface Surroundings {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Resolves when standard output has taken what was written. */
  readonly flushed: () => Promise<void>;
  /** Aborts when nobody reads standard output any more. */
  readonly outputClosed: AbortSignal;
  /** From now on that is noticed at once, not only at the next write. Resolves with what ends it. */
  readonly heedOutput: () => Promise<() => void>;
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean;
  /** Of that terminal; of anything else, Infinity. */
  readonly columns: number;
  readonly style: Style;
  /** @throws Fault NO_TERMINAL, with what it takes */
  readonly openTerminal: () => Promise<Terminal>;
  readonly clock: Clock;
  /** Aborts on Ctrl-C, and on what else asks the program to end: then with an `Interruption`. */
  readonly interrupt: AbortSignal;
  readonly files: Files;
}

/** A signal that ends the program, as its exit status. */
export class Interruption extends Error {
  readonly status: number;

  constructor(status: number) {
    super("interrupted");
    this.status = status;
  }
}

/** What a command works with: its surroundings, and the daemon. */
export class Session {
  readonly surroundings: Surroundings;
  readonly #endpoint: () => Promise<Endpoint>;

  constructor(surroundings: Surroundings, endpoint: () => Promise<Endpoint>) {
    this.surroundings = surroundings;
    this.#endpoint = endpoint;
  }

  /** @throws as findEndpoint() and ask() */
  async ask(request: Request, signal = this.surroundings.interrupt): Promise<unknown> {
    return ask(await this.#endpoint(), request, this.surroundings.clock, signal);
  }

  /** @throws as findEndpoint() and subscribe() */
  async *events(types: readonly string[] | undefined): AsyncGenerator<EngineEvent | undefined> {
    const { interrupt, outputClosed } = this.surroundings;
    yield* subscribe(await this.#endpoint(), types, AbortSignal.any([interrupt, outputClosed]));
  }

  /** Where the daemon is reached, for people. */
  async socket(): Promise<string> {
    return (await this.#endpoint()).socket;
  }

  print(lines: readonly string[]): void {
    this.surroundings.stdout(`${lines.join("\n")}\n`);
  }
}
