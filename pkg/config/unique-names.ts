import { parseName } from "../value/reference.ts";
import { quote } from "./nearest.ts";
import type { Report } from "./report.ts";
import type { Path } from "./yaml-document.ts";

/** Names that must be different from each other. */
export class UniqueNames {
  readonly #noun: string;
  readonly #report: Report;
  readonly #paths = new Map<string, Path>();

  constructor(noun: string, report: Report) {
    this.#noun = noun;
    this.#report = report;
  }

  /** The name; undefined when it is none or already taken, which is noted. */
  take(text: string | undefined, path: Path): string | undefined {
    const name = text === undefined ? undefined : this.#report.parsed(path, () => parseName(text));
    if (name === undefined) return undefined;
    const first = this.#paths.get(name);
    if (first === undefined) {
      this.#paths.set(name, path);
      return name;
    }
    this.#report.value(
      path,
      `a second ${this.#noun} with the name ${quote(name)}; the first is in line ${this.#report.line(first)}`,
    );
    return undefined;
  }
}
