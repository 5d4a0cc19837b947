import { Method } from "../../pkg/ctl/method.ts";
import { concerns, eventLine } from "./event-line.ts";
import { withMeaning } from "./meant.ts";
import { ANSWER_TIMEOUT_MS, type Session } from "./session.ts";

interface WatchOptions {
  readonly output?: "text" | "json";
  readonly events?: readonly string[];
}

/** Prints events as they come. Returns when nobody reads them any more. @throws when the daemon goes away, or at an interrupt */
export async function watch(session: Session, names: readonly string[], options: WatchOptions): Promise<void> {
  const { stdout, flushed, style, outputClosed, heedOutput } = session.surroundings;
  const wanted = new Set(names);
  const release = await heedOutput();
  try {
    for await (const event of session.events(options.events)) {
      if (event === undefined) {
        // subscribed: from here on nothing is missed
        if (names.length > 0) await checkNames(session, names);
        continue;
      }
      if (names.length > 0 && !concerns(event, wanted)) continue;
      stdout(`${options.output === "json" ? JSON.stringify(event) : eventLine(event, style)}\n`);
      // who reads slowly makes the daemon wait, and not this program keep what it can't hand on
      await flushed();
    }
  } catch (error) {
    if (!outputClosed.aborted) throw error;
  } finally {
    release();
  }
}

async function checkNames(session: Session, names: readonly string[]): Promise<void> {
  const request = { method: Method.statusRequest, body: { names }, timeoutMs: ANSWER_TIMEOUT_MS };
  await withMeaning(session, "any", names, session.ask(request));
}
