import type { Clock } from "../../pkg/clock/clock.ts";
import { describeMethod, Method, responseTo } from "../../pkg/ctl/method.ts";
import type { Packet } from "../../pkg/ctl/packet.ts";
import { Fault, hasCode, messageOf } from "../../pkg/fault/fault.ts";
import type { EngineEvent } from "../../pkg/plugin/event.ts";
import type { Endpoint } from "./endpoint.ts";
import { packetStream } from "./packet-stream.ts";

export interface Request {
  readonly method: number;
  readonly body: unknown;
  /** Milliseconds to wait for the answer; undefined: as long as it takes. */
  readonly timeoutMs: number | undefined;
  /** False: only until the daemon has begun with it, or refused. */
  readonly wait?: boolean;
}

const ID = 1;
const FOLLOWER = { id: 2, method: Method.empty };

/** Codes of refusals that this program branches on. */
const CODES: ReadonlySet<unknown> = new Set(["CONFIG_INVALID", "TARGET_UNKNOWN", "FRONTEND_UNKNOWN"]);

/**
 * Asks the daemon once, over a connection of its own, and returns the body of the answer.
 * @throws Fault DAEMON_REFUSED (its reason is the message), CONFIG_INVALID (the message is the report on the file), TARGET_UNKNOWN,
 * FRONTEND_UNKNOWN, DAEMON_OLD, DAEMON_UNREACHABLE, DAEMON_LATE (the time is over), DAEMON_SILENT, DAEMON_STRANGE, each with a message for
 * people; the signal's reason when it aborts, while the daemon may go on with the request
 */
export async function ask(endpoint: Endpoint, request: Request, clock: Clock, signal: AbortSignal): Promise<unknown> {
  const done = new AbortController();
  const either = AbortSignal.any([signal, done.signal]);
  try {
    const exchanges = [exchange(endpoint, request, either)];
    if (request.timeoutMs !== undefined) exchanges.push(timeout(request.timeoutMs, clock, either));
    return await Promise.race(exchanges);
  } catch (error) {
    throw error === signal.reason ? error : explained(error, endpoint);
  } finally {
    done.abort();
  }
}

/**
 * The daemon's events from now on, without end. The first value comes once it has taken the subscription, and is undefined.
 * @throws Fault as ask(), EVENTS_LOST, DAEMON_GONE; the signal's reason
 */
export async function* subscribe(
  endpoint: Endpoint,
  types: readonly string[] | undefined,
  signal: AbortSignal,
): AsyncGenerator<EngineEvent | undefined> {
  const request = { id: ID, method: Method.subscribeRequest, body: types === undefined ? {} : { events: types } };
  try {
    for await (const packet of packetStream(endpoint, [request], signal)) {
      if (packet.method === Method.eventsLostNotification) {
        throw new Fault(
          "EVENTS_LOST",
          "there were more events than could be taken here: some are lost, and the daemon sends no more",
        );
      }
      if (packet.method === Method.eventNotification) yield packet.body as EngineEvent;
      else if (answers(packet)) {
        bodyOf(packet, request.method);
        yield undefined;
      }
    }
  } catch (error) {
    if (error === signal.reason) throw error;
    throw isCut(error) ? gone() : explained(error, endpoint);
  }
  throw gone();
}

function gone(): Fault {
  return new Fault("DAEMON_GONE", "the daemon closed the connection: it has ended, or its log says why");
}

async function timeout(ms: number, clock: Clock, signal: AbortSignal): Promise<never> {
  await clock.sleep(ms, signal);
  throw new Fault("DAEMON_LATE", `no answer from the daemon within ${ms / 1000} s`);
}

async function exchange(endpoint: Endpoint, { method, body, wait = true }: Request, signal: AbortSignal): Promise<unknown> {
  // requests are begun in the order in which they come: an answer to the second says that the first is under way
  const packets = [{ id: ID, method, body }, ...(wait ? [] : [FOLLOWER])];
  for await (const packet of packetStream(endpoint, packets, signal)) {
    if (answers(packet)) return bodyOf(packet, method);
    if (!wait && packet.id === FOLLOWER.id) return undefined;
  }
  throw silent();
}

/** Whether it is meant for our request: an error with id 0 is, for what the daemon could not even attribute. */
function answers(packet: Packet): boolean {
  return packet.id === ID || (packet.id === 0 && packet.method === Method.error);
}

function bodyOf({ method, body }: Packet, request: number): unknown {
  if (method === responseTo(request)) return body;
  if (method !== Method.error) {
    throw new Fault(
      "DAEMON_STRANGE",
      `the daemon answered method ${request} with method ${method}: are both of the same version?`,
    );
  }
  const { msg: message, code } = (typeof body === "object" && body !== null ? body : {}) as { msg?: unknown; code?: unknown };
  // up to version 0.1.0 there is no code
  if (code === "CTL_METHOD_UNSUPPORTED" || message === `unknown method ${request} is not supported here`) {
    throw new Fault(
      "DAEMON_OLD",
      `the daemon does not know the ${describeMethod(request)}: it is older than this proxygwctl; restart it after an update`,
    );
  }
  throw new Fault(
    CODES.has(code) ? (code as string) : "DAEMON_REFUSED",
    typeof message === "string" ? message : "the daemon refused, and gave no reason",
  );
}

function explained(error: unknown, { socket, codec, origin, isCodecGiven = false }: Endpoint): unknown {
  const remedy = {
    options: "proxygw is not running, or --socket names another place than its plugins.ctl.socket",
    defaults:
      "proxygw is not running, or it has another plugins.ctl.socket; the configuration that says so is not yours to read: name the socket with --socket",
    configuration:
      "proxygw is not running, has another plugins.ctl.socket, or was started with a configuration without plugins.ctl",
  }[origin ?? "configuration"];
  if (hasCode(error, "ENOENT")) return unreachable(`there is no socket ${socket}: ${remedy}`);
  if (hasCode(error, "ECONNREFUSED")) return unreachable(`nobody listens on ${socket}: ${remedy}`);
  if (hasCode(error, "EACCES") || hasCode(error, "EPERM")) {
    return unreachable(
      `no permission to use ${socket}: use sudo, or have your user put into the group that owns it (plugins.ctl.group sets which)`,
    );
  }
  if (hasCode(error, "EAGAIN"))
    return unreachable(`the daemon does not accept connections on ${socket}: it hangs or is overloaded`);
  if (isCut(error)) return silent();
  if (hasCode(error, "CTL_WRONG_CODEC")) {
    const other = codec === "json" ? "cbor" : "json";
    const remedy = {
      given: `: say --codec ${other}`,
      notGiven: `: add --codec ${other}`,
      configured: `, but the configuration says ${codec}: set plugins.ctl.codec to what the daemon was started with, or restart the daemon`,
    }[isCodecGiven ? "given" : origin === undefined ? "configured" : "notGiven"];
    return new Fault("DAEMON_STRANGE", `the daemon speaks ${other} on ${socket}${remedy}`);
  }
  if (error instanceof Fault && error.code.startsWith("CTL_")) {
    return new Fault("DAEMON_STRANGE", `the answer on ${socket} is not one of proxygw: ${messageOf(error)}`);
  }
  if (error instanceof Fault) return error;
  return unreachable(`cannot connect to ${socket}: ${messageOf(error)}`);
}

function isCut(error: unknown): boolean {
  return ["ECONNRESET", "EPIPE", "ERR_STREAM_PREMATURE_CLOSE"].some((code) => hasCode(error, code));
}

function silent(): Fault {
  return new Fault("DAEMON_SILENT", "the daemon closed the connection before it answered; its log may say why");
}

function unreachable(message: string): Fault {
  return new Fault("DAEMON_UNREACHABLE", message);
}
