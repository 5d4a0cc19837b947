/**
 * Package readiness: finding out when a service that was started can be used.
 *
 * Owns the probes and their pace. Must not know how the service is started, nor what happens when it never gets ready.
 */
import { request } from "node:http";
import { createConnection } from "node:net";
import type { Clock } from "../clock/clock.ts";
import type { EndpointConfig, ReadyConfig } from "../config/types.ts";
import { Fault, messageOf } from "../fault/fault.ts";
import type { ToolRunner } from "../process/process.ts";
import type { AddrPort } from "../value/addr-port.ts";
import { formatAddrPort } from "../value/addr-port.ts";

/** The pause between tries: short at first, since a held client waits; longer where a service takes its time. */
const FIRST_PAUSE_MS = 1;
const PAUSE_GROWTH = 1.05;
const LONGEST_PAUSE_MS = 250;
/** How long one try may take: a host that is still booting does not answer at all. */
const TRY_MS = 1000;
const COMMAND_TRY_MS = 10_000;

export interface ReadinessOptions {
  readonly config: ReadyConfig;
  readonly endpoints: readonly EndpointConfig[];
  readonly clock: Clock;
  readonly tools: ToolRunner;
}

/** Resolves when all endpoints are ready. @throws Fault NOT_READY after the timeout, with the last try's failure; the signal's reason */
export async function untilReady(options: ReadinessOptions, signal: AbortSignal): Promise<void> {
  const { config, clock } = options;
  const tries = triesOf(options);
  const due = clock.now() + config.timeoutMs;
  await Promise.all(
    tries.map(async (attempt) => {
      let pause = FIRST_PAUSE_MS;
      for (;;) {
        const failure = await attempt(signal).then(
          () => undefined,
          (error: unknown) => messageOf(error),
        );
        signal.throwIfAborted();
        if (failure === undefined) return;
        if (clock.now() + pause > due) {
          throw new Fault("NOT_READY", `not ready within ${config.timeoutMs} ms (${config.probe.kind} probe): ${failure}`);
        }
        await clock.sleep(pause, signal);
        pause = Math.min(pause * PAUSE_GROWTH, LONGEST_PAUSE_MS);
      }
    }),
  );
}

type Try = (signal: AbortSignal) => Promise<void>;

function triesOf({ config: { probe }, endpoints, tools }: ReadinessOptions): Try[] {
  const addresses = endpoints.flatMap((each) => (each.protocol === "tcp" ? each.addresses : []));
  switch (probe.kind) {
    case "none":
      return [];
    case "tcp":
      return addresses.map((address) => (signal) => connects(address, signal));
    case "http":
      return addresses.map((address) => (signal) => answers(address, probe.path, signal));
    case "command":
      return [(signal) => succeeds(tools, probe.command, signal)];
  }
}

function connects(address: AddrPort, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: address.address, port: address.port });
    const end = (error?: Error): void => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = (): void => {
      end(signal.reason as Error);
    };
    socket.setTimeout(TRY_MS, () => {
      end(new Error(`no answer from ${formatAddrPort(address)}`));
    });
    socket.once("connect", () => {
      // where nobody listens yet, a connection whose own port happens to be the endpoint's meets itself (RFC 9293, 3.5)
      if (socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress) {
        // no TIME_WAIT, which could keep the service from binding
        socket.resetAndDestroy();
        end(new Error(`nobody listens on ${formatAddrPort(address)}`));
        return;
      }
      end();
    });
    socket.once("error", end);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

function answers(address: AddrPort, path: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const host = formatAddrPort(address);
    const options = { host: address.address, port: address.port, path, signal, agent: false, timeout: TRY_MS, headers: { host } };
    const asked = request(options, (response) => {
      const status = response.statusCode ?? 0;
      // one byte is no proof of more than the status line is
      response.destroy();
      if (status >= 200 && status < 400) resolve();
      else reject(new Error(`${host} answered with status ${status}`));
    });
    asked.once("timeout", () => asked.destroy(new Error(`no answer from ${host}`)));
    asked.once("error", reject);
    asked.end();
  });
}

async function succeeds(tools: ToolRunner, command: string, signal: AbortSignal): Promise<void> {
  const { exitCode, stderr } = await tools.run("/bin/sh", ["-c", command], {
    signal,
    timeoutMs: COMMAND_TRY_MS,
    onLine: () => undefined,
  });
  if (exitCode === 0) return;
  const said = stderr.trim().split("\n").at(-1) ?? "";
  throw new Error(
    `the command ended with ${exitCode === null ? "a signal" : `exit code ${exitCode}`}${said === "" ? "" : `: ${said}`}`,
  );
}
