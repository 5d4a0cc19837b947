import { Fault } from "../fault/fault.ts";

const LEVELS: ReadonlyMap<string, number> = new Map([
  ["DEBUG", -4],
  ["INFO", 0],
  ["WARN", 4],
  ["ERROR", 8],
]);

/**
 * A level as Go's log/slog reads it: a name in any case, and an offset if wanted (`INFO+2`, `error-1`). The result is
 * on slog's scale: DEBUG -4, INFO 0, WARN 4, ERROR 8. @throws Fault VALUE_INVALID
 */
export function parseLogLevel(text: string): number {
  const [, name = "", offset] = /^([^+-]*)([+-].*)?$/s.exec(text) ?? [];
  const level = LEVELS.get(name.toUpperCase());
  if (level === undefined)
    throw invalid(text, 'expected "DEBUG", "INFO", "WARN" or "ERROR", with an offset if wanted ("INFO+2")');
  if (offset === undefined) return level;
  if (!/^[+-][0-9]+$/.test(offset) || !Number.isSafeInteger(Number(offset))) {
    throw invalid(text, `the offset "${offset}" is not a whole number; expected one such as "${name}+2" or "${name}-1"`);
  }
  return level + Number(offset);
}

function invalid(text: string, why: string): Fault {
  return new Fault("VALUE_INVALID", `${JSON.stringify(text)} is not a log level: ${why}`);
}
