export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface TerminalListener {
  /** What was typed, as the terminal sends it. */
  readonly input: (text: string) => void;
  readonly resized: () => void;
  /** Somebody wants this job stopped; nothing has happened yet. */
  readonly suspending: () => void;
  /** It runs again. */
  readonly resumed: () => void;
}

/** The terminal that this program was started on. */
export interface Terminal {
  readonly size: Size;
  /** Keys come one by one and unshown from here on. `end` is what undoes `begin`: it is written by leave(), or at the latest when the process ends. */
  enter(begin: string, end: string): void;
  /** Everything as before. Idempotent. */
  leave(): void;
  write(text: string): void;
  /** Until close(). */
  listen(listener: TerminalListener): void;
  /** Stops the job, as Ctrl-Z would have the terminal do. Returns at once, which may be before or after the stop. */
  stopJob(): void;
  /** Leaves, and listens no more. Idempotent. */
  close(): void;
}
