/**
 * Command proxygwctl: shows and steers a running daemon over its control socket.
 *
 * Owns the process: arguments, output, signals, exit status. What it says on the socket is in pkg/ctl.
 */
import { systemClock } from "../../pkg/clock/clock.ts";
import { readCtlConfig } from "../../pkg/config/ctl-config.ts";
import { hasCode, messageOf } from "../../pkg/fault/fault.ts";
import { run } from "./cli.ts";

async function main(): Promise<void> {
  const interrupt = new AbortController();
  process.once("SIGINT", () => {
    interrupt.abort();
  });
  process.stdout.on("error", (error) => {
    // `proxygwctl status | head` is done when head is
    if (hasCode(error, "EPIPE")) return;
    process.stderr.write(`proxygwctl: cannot write: ${messageOf(error)}\n`);
    process.exitCode = 1;
  });
  const status = await run(process.argv.slice(2), {
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    clock: systemClock,
    interrupt: interrupt.signal,
    readConfig: readCtlConfig,
  });
  // not process.exit(): a pipe may not have taken all of the output yet
  process.exitCode ??= status;
}

void main();
