import type { Capability } from "../process/capabilities.ts";

/**
 * `error` stops the daemon or breaks what is configured; `warning` may do so for some clients, or cannot be told for sure; `note` is
 * worth knowing; `ok` was looked at and is as it should be.
 */
export type Severity = "ok" | "note" | "warning" | "error";

/** One result of `proxygw doctor`. */
export interface Finding {
  /** Stable, for programs: lower-case words joined by hyphens, the same for all findings of one sort. */
  readonly id: string;
  readonly severity: Severity;
  /** For people: lower case, no full stop. */
  readonly what: string;
  /** Which part of the configuration or of the machine is meant. */
  readonly where?: string;
  /** What would put it right; as far as there is one, a command to be copied. */
  readonly remedy?: string;
}

/** What a plugin needs to know to look at the machine. */
export interface Examination {
  /** Those of this process, with which the daemon would run. */
  readonly capabilities: ReadonlySet<Capability>;
  /** A daemon runs with this configuration, so what it uses is in use. */
  readonly isRunning: boolean;
  /** The daemon makes it at its start, before it loads plugins. */
  readonly runtimeDir: string;
}
