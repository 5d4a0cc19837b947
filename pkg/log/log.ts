/**
 * Package log: what the daemon tells its operator.
 *
 * Owns levels, the two formats and the output. Must not decide what is worth telling: that is its callers' business.
 */

/** Values of one log line's fields; an undefined one is left out. */
export type Fields = Record<string, unknown>;

/** Where a component tells what happened. Never throws: a log that can't be written is no reason to fail. */
export interface Log {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** A log that adds `fields` to each of its lines. */
  with(fields: Fields): Log;
}
