/** The commands that change what is, by name: warm, drain, start, stop. */
import { Method } from "../../pkg/ctl/method.ts";
import { Fault, hasCode, messageOf } from "../../pkg/fault/fault.ts";
import { formatDuration } from "../../pkg/value/duration.ts";
import { withMeaning } from "./meant.ts";
import { ANSWER_TIMEOUT_MS, type Session } from "./session.ts";

/** Requests under way at once; the daemon takes 256 connections in all. */
const AT_ONCE = 32;

/** Codes of what concerns one name, and not all. */
const ITS_OWN = ["DAEMON_REFUSED", "TARGET_UNKNOWN", "FRONTEND_UNKNOWN", "NOT_DONE_YET", "DAEMON_LATE"];

const STEERING = {
  warm: { method: Method.warmTargetRequest, noun: "target", late: "is not ready" },
  drain: { method: Method.drainTargetRequest, noun: "target", late: "has not stopped" },
  start: { method: Method.startFrontendRequest, noun: "frontend", late: "does not take clients yet" },
  stop: { method: Method.stopFrontendRequest, noun: "frontend", late: "has not stopped" },
} as const;

export interface SteerOptions {
  readonly wait?: boolean;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly force?: boolean;
}

/** All of `names` at the same time. @throws what failed with one name; with several, each is told, and a Fault says how many */
export async function steer(
  session: Session,
  command: keyof typeof STEERING,
  names: readonly string[],
  options: SteerOptions,
): Promise<void> {
  const waiting = [...new Set(names)];
  const total = waiting.length;
  let failed = 0;
  const worker = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      try {
        await steerOne(session, command, name, options);
      } catch (error) {
        if (total === 1 || !ITS_OWN.some((code) => hasCode(error, code))) throw error;
        failed++;
        session.surroundings.stderr(`proxygwctl: ${name}: ${messageOf(error)}\n`);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, total) }, worker));
  if (failed > 0) throw new Fault("NOT_ALL_DONE", `${failed} of ${total} failed`);
}

async function steerOne(
  session: Session,
  command: keyof typeof STEERING,
  name: string,
  { wait = true, timeout, force = false }: SteerOptions,
): Promise<void> {
  const { method, noun, late } = STEERING[command];
  const body = force ? { name, force } : { name };
  const timeoutMs = timeout ?? (wait ? undefined : ANSWER_TIMEOUT_MS);
  try {
    await withMeaning(session, noun, [name], session.ask({ method, body, timeoutMs, wait }));
  } catch (error) {
    if (timeout === undefined || !hasCode(error, "DAEMON_LATE")) throw error;
    throw new Fault("NOT_DONE_YET", `"${name}" ${late} after ${formatDuration(timeout)}; the daemon goes on with it`);
  }
}
