import { Fault, hasCode } from "../fault/fault.ts";
import type { Problem } from "./config-error.ts";
import { ConfigError } from "./config-error.ts";
import type { Path, YamlDocument } from "./yaml-document.ts";

/** Collects what is wrong in a document, each at its place. */
export class Report {
  readonly document: YamlDocument;
  readonly #problems: Problem[];

  constructor(document: YamlDocument, problems = document.problems) {
    this.document = document;
    this.#problems = [...problems];
  }

  /** A problem with the value at `path`. */
  value(path: Path, message: string): void {
    this.#problems.push(this.document.source.problem(this.document.valueSpan(path), message));
  }

  /** A problem with the last key of `path`. */
  key(path: Path, message: string): void {
    this.#problems.push(this.document.source.problem(this.document.keySpan(path), message));
  }

  /** Whether what is written at `path` has been taken out, being wrong: for a value that is not there. */
  isRefused(path: Path): boolean {
    // nothing is, as long as nothing was noted
    return this.#problems.length > 0 && this.document.holds(path);
  }

  /** What `parse` returns; or undefined, the Fault VALUE_INVALID that it threw being noted. */
  parsed<T>(path: Path, parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof Fault) || !hasCode(error, "VALUE_INVALID")) throw error;
      this.value(path, error.message);
      return undefined;
    }
  }

  /** 1-based line of the value at `path`, to refer to it from elsewhere. */
  line(path: Path): number {
    return this.document.source.lineAt(this.document.valueSpan(path).start);
  }

  /** @throws ConfigError when there is any problem */
  finish(): void {
    if (this.#problems.length > 0) throw new ConfigError(this.#problems);
  }
}
