/** Says on standard error what is being measured, and remembers what failed. */
export class Progress {
  readonly #part: string;
  /** What could not be measured, and why, one line each. */
  readonly failures: string[] = [];

  constructor(part: string) {
    this.#part = part;
  }

  step(text: string): void {
    process.stderr.write(`${this.#part}: ${text}\n`);
  }

  /** Of `what`, or of the whole part. */
  failed(error: unknown, what?: string): void {
    const text = (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " ").trim();
    this.failures.push([this.#part, what, text].filter((each) => each !== undefined).join(": "));
    console.error(`${this.#part}: ${what ?? "all of it"} failed:`, error);
  }
}
