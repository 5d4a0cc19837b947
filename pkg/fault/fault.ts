/**
 * Package fault: the one error class of this project.
 *
 * Owns the shape of an error: a stable `code` that programs branch on, a lower-case message that people read, and
 * the `cause`. Must not know any of the packages that throw it.
 */

/** A code is upper-case words joined by underscores and never changes meaning; the message may. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: string;

  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}

/** True when `error` is a Fault, or a system error, that carries `code`. */
export function hasCode(error: unknown, code: string): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === code;
}

/** The message of anything thrown, followed by those of its causes: "outer: inner". */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    const inner = error.errors.map((each) => messageOf(each)).join("; ");
    return error.message === "" ? inner : `${error.message}: ${inner}`;
  }
  if (!(error instanceof Error)) return String(error);
  if (error.cause === undefined) return error.message;
  return `${error.message}: ${messageOf(error.cause)}`;
}

/** The error to throw for what was collected: undefined for none, the one itself, or an AggregateError of them. */
export function collected(errors: readonly unknown[], message: string): unknown {
  if (errors.length <= 1) return errors[0];
  return new AggregateError(errors, message);
}
