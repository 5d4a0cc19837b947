/** One thing that is wrong in a file. */
export interface Problem {
  readonly file: string;
  /** 1-based; 0 when it concerns the file as a whole. */
  readonly line: number;
  /** 1-based, in characters; 0 when it concerns the file as a whole. */
  readonly column: number;
  /** What was found and what would be accepted. */
  readonly message: string;
  /** The line with a caret beneath; empty when it concerns the file as a whole. */
  readonly excerpt: string;
}

/** All that is wrong in a file, in the order of the file. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "CONFIG_INVALID";
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const ordered = inOrder(problems);
    const first = ordered[0] === undefined ? "no problem" : headline(ordered[0]);
    super(ordered.length > 1 ? `${first} (and ${ordered.length - 1} more)` : first);
    this.problems = ordered;
  }

  /** Lines to print, as a compiler does: position and message of each problem, then its excerpt. */
  format(): string {
    const parts = this.problems.map((each) => (each.excerpt === "" ? headline(each) : `${headline(each)}\n${each.excerpt}`));
    if (parts.length > 1) parts.push(`${parts.length} problems`);
    return parts.join("\n");
  }
}

function headline(problem: Problem): string {
  const position = problem.line === 0 ? "" : `:${problem.line}:${problem.column}`;
  return `${problem.file}${position}: ${problem.message}`;
}

function inOrder(problems: readonly Problem[]): Problem[] {
  const byText = new Map(problems.map((each) => [`${each.line}:${each.column}:${each.message}`, each]));
  return [...byText.values()].sort((a, b) => a.line - b.line || a.column - b.column);
}

/** A ConfigError about the file as a whole. */
export function fileError(file: string, message: string): ConfigError {
  return new ConfigError([{ file, line: 0, column: 0, message, excerpt: "" }]);
}
