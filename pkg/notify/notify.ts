/**
 * Package notify: what systemd is told about the daemon.
 *
 * Owns the protocol of sd_notify(3) and sd_watchdog_enabled(3). Must not decide when the daemon is ready or healthy, nor
 * fail: a message that can't be sent is a warning in the log, once.
 */
import { getSystemErrorName } from "node:util";
import { systemClock } from "../clock/clock.ts";
import type { Clock } from "../clock/clock.ts";
import { Fault } from "../fault/fault.ts";
import type { Log } from "../log/log.ts";
import type { ToolRunner } from "../process/process.ts";
import { Serial } from "../serial/serial.ts";

/** Calls return at once; messages are sent in their order. None ever throws. */
export interface Notifier {
  /** The daemon is up; `status` is one line for people (systemctl status). */
  ready(status: string): void;
  /** Another configuration is being taken over; reloaded() is to follow, whatever comes of it. */
  reloading(): void;
  /** Like reloading(), nothing that a daemon has to say before it is up, nor once it has begun to stop: it would be taken for ready. */
  reloaded(status: string): void;
  /** A new status line; sent only if it differs from the last one. */
  status(text: string): void;
  /** The daemon has begun to stop. */
  stopping(): void;
  /** The daemon is healthy: what the watchdog waits for. */
  alive(): void;
  /** Resolves when all is sent, or given up; later calls do nothing. Idempotent. */
  close(): Promise<void>;
}

export interface NotifierOptions {
  readonly clock?: Clock;
  /** Runs systemd-notify(1) where our own socket can't be used: for an abstract address, or without the native module. */
  readonly tools?: ToolRunner;
}

/** Sends one datagram. @throws anything */
type Send = (message: string) => Promise<void>;

/** How long a full socket buffer is waited for. */
const CONGESTION_MS = 2000;
const CONGESTION_RETRY_MS = 20;

/** sun_path of unix(7) has 108 bytes, the last of them zero. */
const LONGEST_PATH = 107;

/** A notifier for the service manager that `env` names; without one, a notifier that does nothing. */
export function createNotifier(
  env: Readonly<Record<string, string | undefined>>,
  log: Log,
  options: NotifierOptions = {},
): Notifier {
  const address = env["NOTIFY_SOCKET"];
  if (address === undefined || address === "") return SILENT;
  return new SystemdNotifier(sender(address, options), log);
}

const SILENT: Notifier = {
  ready: () => undefined,
  status: () => undefined,
  reloading: () => undefined,
  reloaded: () => undefined,
  stopping: () => undefined,
  alive: () => undefined,
  close: () => Promise.resolve(),
};

class SystemdNotifier implements Notifier {
  readonly #send: Send;
  readonly #log: Log;
  readonly #serial = new Serial();
  #status: string | undefined;
  #isUp = false;
  #warned = false;
  #closed = false;

  constructor(send: Send, log: Log) {
    this.#send = send;
    this.#log = log;
  }

  ready(status: string): void {
    this.#isUp = true;
    this.#status = oneLine(status);
    this.#queue(`READY=1\nSTATUS=${this.#status}`);
  }

  reloading(): void {
    if (!this.#isUp) return;
    // without the time, a service manager could not tell this reload's READY from an earlier one's: sd_notify(3)
    this.#queue(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  reloaded(status: string): void {
    if (this.#isUp) this.ready(status);
  }

  status(text: string): void {
    const status = oneLine(text);
    if (status === this.#status) return;
    this.#status = status;
    this.#queue(`STATUS=${status}`);
  }

  alive(): void {
    this.#queue("WATCHDOG=1");
  }

  stopping(): void {
    this.#isUp = false;
    this.#status = "stopping";
    this.#queue("STOPPING=1\nSTATUS=stopping");
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#serial.run(() => Promise.resolve());
  }

  #queue(message: string): void {
    if (this.#closed) return;
    void this.#serial.run(async () => {
      try {
        await this.#send(message);
      } catch (error) {
        if (this.#warned) return;
        this.#warned = true;
        this.#log.warn("the service manager could not be notified", { error });
      }
    });
  }
}

/** Assignments are separated by line breaks. */
function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, " ");
}

function sender(address: string, { clock = systemClock, tools }: NotifierOptions): Send {
  const direct: Send = (message) => sendDatagram(address, message, clock);
  if (tools === undefined) return direct;
  const program: Send = async (message) => {
    const { exitCode, stderr } = await tools.run("systemd-notify", ["--no-block", ...message.split("\n")]);
    if (exitCode !== 0) throw new Fault("NOTIFY_FAILED", `systemd-notify failed: ${oneLine(stderr.trim())}`);
  };
  return async (message) => {
    try {
      await direct(message);
    } catch (error) {
      await program(message).catch((second: unknown) => {
        throw new AggregateError([error, second], `NOTIFY_SOCKET "${address}"`);
      });
    }
  };
}

async function sendDatagram(address: string, message: string, clock: Clock): Promise<void> {
  checkAddress(address);
  // loaded only here: it is a native module, and where it was not built the daemon runs without it
  const { createSocket } = await import("unix-dgram");
  // one socket per message, as sd_notify does: systemd may have made its own anew in between
  const socket = createSocket("unix_dgram");
  try {
    const bytes = Buffer.from(message);
    const end = clock.now() + CONGESTION_MS;
    for (;;) {
      const error = await new Promise<(Error & { code: unknown }) | undefined>((resolve) => {
        socket.send(bytes, 0, bytes.length, address, resolve);
      });
      if (error === undefined) return;
      const name = errorName(error.code);
      if ((name !== "EAGAIN" && name !== "ENOBUFS") || clock.now() >= end) {
        throw new Fault("NOTIFY_FAILED", `cannot send to NOTIFY_SOCKET "${address}": ${name}`, { cause: error });
      }
      await clock.sleep(CONGESTION_RETRY_MS);
    }
  } finally {
    socket.close();
  }
}

function checkAddress(address: string): void {
  // unix-dgram takes a path up to its first zero byte, and an abstract address begins with one
  if (address.startsWith("@"))
    throw new Fault("NOTIFY_FAILED", `NOTIFY_SOCKET "${address}" is an abstract address, which takes systemd-notify`);
  if (!address.startsWith("/"))
    throw new Fault("NOTIFY_FAILED", `NOTIFY_SOCKET "${address}" is neither a path nor an abstract address`);
  if (Buffer.byteLength(address) > LONGEST_PATH)
    throw new Fault("NOTIFY_FAILED", `NOTIFY_SOCKET "${address}" is too long for a socket`);
}

function errorName(code: unknown): string {
  return typeof code === "number" && code < 0 ? getSystemErrorName(code) : String(code);
}
