import type { Fields, Log } from "./log.ts";

export interface LogEntry {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Fields;
}

/** A log that a test can read. */
export interface CollectingLog extends Log {
  readonly entries: LogEntry[];
  /** The messages of all entries, or of those with `level`. */
  messages(level?: LogEntry["level"]): string[];
}

export function collectingLog(entries: LogEntry[] = [], base: Fields = {}): CollectingLog {
  const at =
    (level: LogEntry["level"]) =>
    (message: string, fields: Fields = {}): void => {
      entries.push({ level, message, fields: { ...base, ...fields } });
    };
  return {
    entries,
    messages: (level) => entries.filter((each) => level === undefined || each.level === level).map((each) => each.message),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => collectingLog(entries, { ...base, ...fields }),
  };
}
