/**
 * Command proxygwctl: shows and steers a running daemon over its control socket.
 *
 * Owns the process: arguments, output, signals, exit status. What it says on the socket is in pkg/ctl.
 */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { systemClock } from "../../pkg/clock/clock.ts";
import { hasCode, messageOf } from "../../pkg/fault/fault.ts";
import { run } from "./cli.ts";
import { Interruption } from "./session.ts";
import { COLOURS, NO_COLOURS } from "./style.ts";

/** 128 and the signal's number, as shells have it. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

async function main(): Promise<void> {
  const interrupt = new AbortController();
  const endAt = (signal: keyof typeof SIGNALS): void => {
    process.once(signal, () => {
      interrupt.abort(new Interruption(SIGNALS[signal]));
    });
  };
  endAt("SIGINT");
  const closed = new AbortController();
  process.stdout.on("error", (error) => {
    closed.abort();
    // `proxygwctl status | head` is done when head is; and where the terminal is gone, nobody is there to tell
    if (hasCode(error, "EPIPE") || hasCode(error, "EIO")) return;
    process.stderr.write(`proxygwctl: cannot write: ${messageOf(error)}\n`);
    process.exitCode = 1;
  });
  const isTerminal = process.stdout.isTTY;
  const { NO_COLOR: noColour = "", TERM: terminal } = process.env;
  const status = await run(process.argv.slice(2), {
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    flushed: async () => {
      const signal = AbortSignal.any([closed.signal, interrupt.signal]);
      if (process.stdout.writableNeedDrain) await once(process.stdout, "drain", { signal });
    },
    outputClosed: closed.signal,
    heedOutput: () => heedOutput(closed),
    isTerminal,
    // a serial line does not know its size
    columns: isTerminal ? process.stdout.columns || 80 : Infinity,
    style: isTerminal && noColour === "" && terminal !== "dumb" ? COLOURS : NO_COLOURS,
    openTerminal: async () => {
      // without a terminal to put right, these end the program as ever, or do not where it was started with nohup
      endAt("SIGHUP");
      endAt("SIGTERM");
      return new (await import("./process-terminal.ts")).ProcessTerminal(terminal);
    },
    clock: systemClock,
    interrupt: interrupt.signal,
    files: {
      // parsing YAML takes longer to load than all the rest
      readConfig: async (path) => (await import("../../pkg/config/ctl-config.ts")).readCtlConfig(path),
      exists: existsSync,
    },
  });
  // not process.exit(): a pipe may not have taken all of the output yet
  process.exitCode ??= status;
}

async function heedOutput(closed: AbortController): Promise<() => void> {
  const { watchForHangUp } = await import("../../pkg/netlink/hang-up.ts");
  try {
    return await watchForHangUp(process.stdout.fd, () => {
      closed.abort();
    });
  } catch {
    // a copy of the program alone, without the native module; a pipe of another user: it is found out at the next write
    return () => undefined;
  }
}

void main();
