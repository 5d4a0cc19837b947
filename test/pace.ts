/**
 * How much slower than usual programs run where the tests do, such as in an emulated machine (test/vm/run.sh sets it).
 * Time limits of tests grow by it: what must happen still must, and what must not happen early still must not.
 */
const PACE = Number(process.env["TEST_PACE"] ?? 1);

/** Programs run more slowly than usual: a client may take longer to start than what is to be seen lasts. */
export const IS_SLOW = PACE > 1;

/** A time limit, where programs run as slowly as here. */
export function paced(ms: number): number {
  return ms * PACE;
}

/** How often something is done: less often where each time takes longer. */
export function fewer(times: number): number {
  return Math.ceil(times / PACE);
}
