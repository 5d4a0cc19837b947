/**
 * Property-based tests: `fuzz` declares one, that a check holds for every input of a kind. How many inputs, and which, is
 * settled here alone, from the environment that `make fuzz` sets.
 *
 * Inputs come in batches, each with a seed of its own. `make test` runs the same five of each every time, so that a
 * red run is about the change at hand and is red for the next person too; looking for what nobody has met yet is for
 * `make fuzz`, whose seed is random. What either finds is the outcome of one batch, and is found again by its seed.
 */
import { relative } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { checkPrototypes } from "./prototypes.ts";
import { Watchdog } from "./watchdog.ts";

/** Inputs of one batch: vitest hears from the process between two, and gives it up after a minute of silence. */
const BATCH = 20_000;

const RUNS = Number(process.env["FUZZ_RUNS"] ?? 5 * BATCH);
const SEED = Number(process.env["FUZZ_SEED"] ?? 1);
/** Each property goes on for so many minutes, however many inputs that makes. */
const MINUTES = process.env["FUZZ_MINUTES"] === undefined ? undefined : Number(process.env["FUZZ_MINUTES"]);

/**
 * No check takes a tenth of it. On a busy machine one may all the same: it is done again then, and the processor's time counts,
 * which takes too long to ask for at every check.
 */
const SLOW_MS = 1000;

const watchdog = new Watchdog();

interface Options {
  /** The part of the inputs that this property gets, where several share one subject or one input takes long. Default 1. */
  readonly share?: number;
}

/** Declares a test: `check` throws for no input. It must not keep anything of one input for the next. */
export function fuzz<T>(name: string, arbitrary: fc.Arbitrary<T>, check: (input: T) => void, options: Options = {}): void {
  const property = fc.property(arbitrary, (input) => {
    const started = watchdog.begin();
    check(input);
    checkPrototypes();
    if (watchdog.end() - started < SLOW_MS) return;
    const before = process.cpuUsage();
    check(input);
    checkTime(process.cpuUsage(before));
  });
  declare(name, options, (parameters) => {
    fc.assert(property, parameters);
  });
}

/** As fuzz(), for a check that takes turns of the event loop. */
export function fuzzAsync<T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  check: (input: T) => Promise<void>,
  options: Options = {},
): void {
  const property = fc.asyncProperty(arbitrary, async (input) => {
    const started = watchdog.begin();
    await check(input);
    checkPrototypes();
    if (watchdog.end() - started < SLOW_MS) return;
    const before = process.cpuUsage();
    await check(input);
    checkTime(process.cpuUsage(before));
  });
  declare(name, options, (parameters) => fc.assert(property, parameters));
}

function checkTime({ user, system }: NodeJS.CpuUsage): void {
  const ms = Math.round((user + system) / 1000);
  if (ms > SLOW_MS) throw new Error(`took ${ms} ms of the processor's time`);
}

function declare(
  name: string,
  { share = 1 }: Options,
  run: (parameters: { seed: number; numRuns: number }) => void | Promise<void>,
): void {
  // no limit: what takes too long is the watchdog's to find, since a timer does not go off while a check runs
  it(name, { timeout: 0 }, async () => {
    const end = MINUTES === undefined ? undefined : Date.now() + MINUTES * 60_000;
    for (let batch = 0; end === undefined ? batch * BATCH < RUNS : Date.now() < end; batch++) {
      const seed = (SEED + batch) | 0;
      const inputs = end === undefined ? Math.min(BATCH, RUNS - batch * BATCH) : BATCH;
      const numRuns = Math.max(1, Math.round(inputs * share));
      const again = reproduction(seed);
      watchdog.watch(`${name}\n${again}`);
      try {
        await run({ seed, numRuns });
      } catch (error) {
        if (error instanceof Error) error.message = `${again}\n${error.message}`;
        throw error;
      } finally {
        watchdog.end();
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
}

function reproduction(seed: number): string {
  const file = relative(process.cwd(), expect.getState().testPath ?? "");
  return `again: make fuzz SEED=${seed} RUNS=${BATCH} FILE=${file}`;
}
