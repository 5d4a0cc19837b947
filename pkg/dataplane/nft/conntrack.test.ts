import { describe, expect, it } from "vitest";
import type { ToolResult } from "../../process/process.ts";
import { parseAddrPort } from "../../value/addr-port.ts";
import { Conntrack } from "./conntrack.ts";

const ENDPOINT = parseAddrPort("127.0.0.1:8080");
const MESSAGE = "conntrack v1.4.7 (conntrack-tools): ";
const DONE = { exitCode: 0, stdout: "", stderr: "" };
const NONE = { exitCode: 1, stdout: "", stderr: `${MESSAGE}0 flow entries have been deleted.\n` };
const KILLED = { exitCode: null, stdout: "", stderr: "" };
const GONE = { exitCode: 1, stdout: "", stderr: `${MESSAGE}Operation failed: such conntrack doesn't exist\n` };
const REFUSED = { exitCode: 1, stdout: "", stderr: `${MESSAGE}Operation failed: Operation not permitted\n` };

/** What comes of cutting flows with a conntrack that ends as told, and how often it was run. */
async function cut(...results: ToolResult[]): Promise<[outcome: string, runs: number]> {
  let runs = 0;
  const conntrack = new Conntrack({ run: () => Promise.resolve(results[runs++] ?? DONE) }, 1);
  const outcome = await conntrack.cut("tcp", ENDPOINT).then(
    () => "done",
    (error: unknown) => String(error),
  );
  return [outcome, runs];
}

describe("cutting flows", () => {
  it("is done when there are none, and when conntrack was let finish", async () => {
    expect(await cut(DONE)).toEqual(["done", 1]);
    expect(await cut(NONE)).toEqual(["done", 1]);
  });

  it("goes on where conntrack was killed, or stopped at a flow that had just ended by itself", async () => {
    expect(await cut(KILLED, GONE, GONE, NONE)).toEqual(["done", 4]);
  });

  it("fails where it can't be done, and where it never is", async () => {
    expect(await cut(REFUSED)).toEqual([expect.stringContaining("Operation not permitted"), 1]);
    expect(await cut(...Array.from({ length: 60 }, () => KILLED))).toEqual([expect.stringContaining("it was killed"), 50]);
  });
});
