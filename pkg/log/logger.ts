import { pino } from "pino";
import type { Logger as Pino } from "pino";
import { systemClock } from "../clock/clock.ts";
import type { Clock } from "../clock/clock.ts";
import type { LogConfig } from "../config/types.ts";
import { messageOf } from "../fault/fault.ts";
import type { Fields, Log } from "./log.ts";
import { Output } from "./output.ts";
import { plainFields } from "./plain-value.ts";
import { textLine } from "./text-line.ts";

export interface Logger extends Log {
  /** Opens a log file anew by its name (after rotation); does nothing for stdout and stderr. Never throws: the old file stays in use. */
  reopen(): void;
  /** From now on as `config` has it, whichever Log of it is used. @throws Fault LOG_UNWRITABLE; nothing changed then */
  configure(config: LogConfig): void;
  /** Resolves when every line is written, or after a second if that can't be. Never rejects. */
  flush(): Promise<void>;
  /** Flushes and closes; later lines are ignored. Idempotent, never rejects. */
  close(): Promise<void>;
}

/** Levels of Go's log/slog, least severe first, with pino's names. */
const LEVELS = [
  { pino: "debug", slog: "DEBUG", severity: -4 },
  { pino: "info", slog: "INFO", severity: 0 },
  { pino: "warn", slog: "WARN", severity: 4 },
  { pino: "error", slog: "ERROR", severity: 8 },
] as const;

type Level = (typeof LEVELS)[number]["pino"];

/** @throws Fault LOG_UNWRITABLE: the file can't be opened */
export function createLogger(config: LogConfig, clock: Clock = systemClock): Logger {
  let path = config.output;
  // the last resort, such as for a disk that is full
  let elsewhere: Output | undefined;
  const output = new Output(
    config.output,
    clock,
    (lines, reason) => {
      log.warn("log lines were lost", { lines, reason });
    },
    (error) => {
      if (path === "stdout" || path === "stderr") return;
      const msg = "the log file cannot be written; its lines are kept, up to 1 MiB, and tried again";
      const time = clock.date().toISOString();
      elsewhere ??= new Output("stderr", clock, () => undefined);
      elsewhere.write(`${textLine({ time, level: "ERROR", msg, file: path, error })}\n`);
    },
  );
  let { format } = config;
  const logger = pino(
    {
      level: levelOf(config),
      base: null,
      timestamp: () => `,"time":"${clock.date().toISOString()}"`,
      formatters: { level: (label) => ({ level: LEVELS.find((each) => each.pino === label)?.slog ?? label }) },
      hooks: { streamWrite: (line) => (format === "json" ? jsonLine(line) : `${textLine(parsed(jsonLine(line)))}\n`) },
    },
    output,
  );
  const log = new PinoLog(logger, {});
  return {
    debug: log.debug.bind(log),
    info: log.info.bind(log),
    warn: log.warn.bind(log),
    error: log.error.bind(log),
    with: log.with.bind(log),
    reopen: () => {
      try {
        output.reopen();
      } catch (error) {
        log.error("log file could not be opened anew; the old one stays in use", { error });
      }
    },
    configure: (next) => {
      output.reopen(next.output);
      path = next.output;
      logger.level = levelOf(next);
      format = next.format;
    },
    flush: () => output.flush(),
    close: async () => {
      await output.close();
      await elsewhere?.close();
    },
  };
}

function levelOf({ level }: LogConfig): Level | "silent" {
  return LEVELS.find(({ severity }) => severity >= level)?.pino ?? "silent";
}

class PinoLog implements Log {
  readonly #pino: Pino;
  readonly #fields: Fields;

  constructor(logger: Pino, fields: Fields) {
    this.#pino = logger;
    this.#fields = fields;
  }

  debug(message: string, fields?: Fields): void {
    this.#write("debug", message, fields);
  }

  info(message: string, fields?: Fields): void {
    this.#write("info", message, fields);
  }

  warn(message: string, fields?: Fields): void {
    this.#write("warn", message, fields);
  }

  error(message: string, fields?: Fields): void {
    this.#write("error", message, fields);
  }

  with(fields: Fields): Log {
    return new PinoLog(this.#pino, { ...this.#fields, ...fields });
  }

  #write(level: Level, message: string, fields: Fields = {}): void {
    if (!this.#pino.isLevelEnabled(level)) return;
    try {
      this.#pino[level]({ msg: message, ...plainFields({ ...this.#fields, ...fields }) });
    } catch (error) {
      // a getter or toJSON among the fields that throws
      this.#pino[level]({ msg: message, fields_error: messageOf(error) });
    }
  }
}

/** pino puts the level first, slog the time; and JSON leaves line breaks and terminal controls above ASCII as they are. */
function jsonLine(line: string): string {
  return line
    .replace(/^\{("level":"[A-Z]+"),("time":"[^"]+")/, "{$2,$1")
    .replaceAll(/[\x7f-\x9f\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function parsed(line: string): Record<string, unknown> {
  return JSON.parse(line) as Record<string, unknown>;
}
