import { execa } from "execa";
import { expect, it } from "vitest";

const PROGRAM = `
import { outliveUnexpected } from "./cmd/proxygw/unexpected.ts";
import { collectingLog } from "./pkg/log/collecting-log.ts";
const log = collectingLog();
const undo = outliveUnexpected(log);
setTimeout(() => { throw new Error("in a timer"); }, 1);
void Promise.reject(new Error("for nobody"));
setTimeout(() => {
  for (const { level, message, fields } of log.entries) console.log(level, message, fields.error.message, fields.origin);
  undo();
  void Promise.reject(new Error("the end"));
}, 50);
`;

it("what is thrown where nobody can catch it is logged, and the process goes on", async () => {
  const args = ["--import", "tsx", "--input-type=module", "--eval", PROGRAM];
  const { stdout, stderr, exitCode } = await execa(process.execPath, args, { reject: false, timeout: 20_000 });
  expect(stdout.split("\n").sort()).toEqual([
    "error unexpected error; the daemon goes on for nobody unhandledRejection",
    "error unexpected error; the daemon goes on in a timer uncaughtException",
  ]);
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining("the end")]);
});
