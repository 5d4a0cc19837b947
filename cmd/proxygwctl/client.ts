import { connect } from "node:net";
import type { Clock } from "../../pkg/clock/clock.ts";
import { codecOf } from "../../pkg/ctl/codecs.ts";
import { Method, responseTo } from "../../pkg/ctl/method.ts";
import { parsePacket, RESPONSE_LIMIT, type CodecName, type Packet } from "../../pkg/ctl/packet.ts";
import { PacketReader } from "../../pkg/ctl/reader.ts";
import { Fault, hasCode, messageOf } from "../../pkg/fault/fault.ts";

/** How the daemon is reached. */
export interface Endpoint {
  readonly socket: string;
  readonly codec: CodecName;
}

export interface Request {
  readonly method: number;
  readonly body: unknown;
  /** Milliseconds to wait for the answer; undefined: as long as it takes. */
  readonly timeoutMs: number | undefined;
}

const ID = 1;

/**
 * Asks the daemon once, over a connection of its own, and returns the body of the answer.
 * @throws Fault DAEMON_REFUSED (its reason is the message), CONFIG_INVALID (the message is the report on the file), DAEMON_UNREACHABLE, DAEMON_SILENT, DAEMON_STRANGE,
 * each with a message for people; the signal's reason when it aborts, while the daemon may go on with the request
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

async function timeout(ms: number, clock: Clock, signal: AbortSignal): Promise<never> {
  await clock.sleep(ms, signal);
  throw new Fault("DAEMON_SILENT", `no answer from the daemon within ${ms / 1000} s`);
}

function exchange({ socket: path, codec: name }: Endpoint, request: Request, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const codec = codecOf(name);
    const reader = new PacketReader(codec, RESPONSE_LIMIT);
    const socket = connect(path, () => {
      socket.write(codec.encode({ id: ID, method: request.method, body: request.body }));
    });
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    signal.addEventListener("abort", () => {
      fail(signal.reason as Error);
    });
    socket.on("error", fail);
    socket.on("close", () => {
      reject(new Fault("DAEMON_SILENT", "the daemon closed the connection before it answered; its log may say why"));
    });
    socket.on("data", (chunk: Buffer) => {
      try {
        reader.write(chunk);
        for (let raw = reader.read(); raw !== undefined; raw = reader.read()) {
          const packet = parsePacket(raw);
          if (!answers(packet)) continue;
          resolve(bodyOf(packet, request.method));
          socket.destroy();
          return;
        }
      } catch (error) {
        fail(error as Error);
      }
    });
  });
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
  throw new Fault(
    code === "CONFIG_INVALID" ? code : "DAEMON_REFUSED",
    typeof message === "string" ? message : "the daemon refused, and gave no reason",
  );
}

function explained(error: unknown, { socket, codec }: Endpoint): unknown {
  if (hasCode(error, "ENOENT")) {
    return unreachable(`there is no socket ${socket}: proxygw is not running, or it has another plugins.ctl.socket`);
  }
  if (hasCode(error, "ECONNREFUSED")) {
    return unreachable(`nobody listens on ${socket}: proxygw is not running, or it has another plugins.ctl.socket`);
  }
  if (hasCode(error, "EACCES") || hasCode(error, "EPERM")) {
    return unreachable(
      `no permission to use ${socket}: use sudo, or have your user put into the group that owns it (plugins.ctl.group sets which)`,
    );
  }
  if (hasCode(error, "EAGAIN"))
    return unreachable(`the daemon does not accept connections on ${socket}: it hangs or is overloaded`);
  if (hasCode(error, "ECONNRESET") || hasCode(error, "EPIPE")) {
    return new Fault("DAEMON_SILENT", "the daemon closed the connection before it answered; its log may say why");
  }
  if (hasCode(error, "CTL_WRONG_CODEC")) {
    const other = codec === "json" ? "cbor" : "json";
    return new Fault(
      "DAEMON_STRANGE",
      `the daemon speaks ${other} on ${socket}, but the configuration says ${codec}: set plugins.ctl.codec to what the daemon was started with, or restart the daemon`,
    );
  }
  if (error instanceof Fault && error.code.startsWith("CTL_")) {
    return new Fault("DAEMON_STRANGE", `the answer on ${socket} is not one of proxygw: ${messageOf(error)}`);
  }
  if (error instanceof Fault) return error;
  return unreachable(`cannot connect to ${socket}: ${messageOf(error)}`);
}

function unreachable(message: string): Fault {
  return new Fault("DAEMON_UNREACHABLE", message);
}
