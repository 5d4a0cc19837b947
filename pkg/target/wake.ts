/** Why a target is warmed. */
export interface WakeCause {
  /** In words, for the log. */
  readonly reason: string;
  readonly frontend?: string;
  /** Whoever came to that frontend. */
  readonly source?: string;
}

/** The last time that a target became active. */
export interface Wake extends WakeCause {
  /** When it was asked for. */
  readonly date: Date;
  /** From then until it was ready. */
  readonly tookMs: number;
}
