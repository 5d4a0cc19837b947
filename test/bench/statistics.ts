/** Medians and spread of measured values. */

export interface Summary {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  readonly count: number;
}

/** @throws RangeError when there are no values */
export function summarize(values: readonly number[]): Summary {
  return { median: quantile(values, 0.5), lowest: Math.min(...values), highest: Math.max(...values), count: values.length };
}

/**
 * The value below which the fraction `at` of all lies, between two neighbours in proportion, so that the median of an even
 * number is in their middle. @throws RangeError when there are no values, or `at` is not from 0 to 1
 */
export function quantile(values: readonly number[], at: number): number {
  if (values.length === 0 || !(at >= 0 && at <= 1)) throw new RangeError(`no quantile ${at} of ${values.length} values`);
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * at;
  const below = sorted[Math.floor(place)] ?? NaN;
  const above = sorted[Math.ceil(place)] ?? NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/**
 * How many times the other's value one's is: the median over the rounds, in each of which both were measured, one after the
 * other. What slows a whole round down so falls out. @throws RangeError when there is no common round
 */
export function ratio(values: readonly number[], reference: readonly number[]): number {
  const rounds = Math.min(values.length, reference.length);
  return quantile(
    Array.from({ length: rounds }, (_, round) => (values[round] ?? NaN) / (reference[round] ?? NaN)),
    0.5,
  );
}
