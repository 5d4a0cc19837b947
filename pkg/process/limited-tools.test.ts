import { expect, test } from "vitest";
import { limitTools } from "./limited-tools.ts";
import type { ToolResult, ToolRunner } from "./process.ts";

const RESULT: ToolResult = { exitCode: 0, stdout: "", stderr: "" };

/** Tools that end when the test says so. */
function held(): { tools: ToolRunner; begun: string[]; end: (file: string, error?: Error) => Promise<void> } {
  const begun: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const run: ToolRunner["run"] = (file) => {
    begun.push(file);
    return new Promise((resolve, reject) => {
      ends.set(file, (error) => {
        if (error === undefined) resolve(RESULT);
        else reject(error);
      });
    });
  };
  const end = async (file: string, error?: Error): Promise<void> => {
    ends.get(file)?.(error);
    // a turn of the event loop: all that follows from it has happened
    await new Promise((wake) => setImmediate(wake));
  };
  return { tools: { run }, begun, end };
}

test("so many run at once, and the next one when one has ended, in the order of asking", async () => {
  const { tools, begun, end } = held();
  const limited = limitTools(tools, 2);
  const all = ["a", "b", "c", "d"].map((file) => limited.run(file, []));
  await end("none");
  expect(begun).toEqual(["a", "b"]);
  await end("b");
  expect(begun).toEqual(["a", "b", "c"]);
  await end("a");
  await end("c");
  await end("d");
  expect(await Promise.all(all)).toEqual([RESULT, RESULT, RESULT, RESULT]);
});

test("one that failed gives its place away", async () => {
  const { tools, begun, end } = held();
  const limited = limitTools(tools, 1);
  const failed = limited.run("a", []);
  const next = limited.run("b", []);
  await end("none");
  const rejected = expect(failed).rejects.toThrow("gone wrong");
  await end("a", new Error("gone wrong"));
  await rejected;
  expect(begun).toEqual(["a", "b"]);
  await end("b");
  await expect(next).resolves.toBe(RESULT);
});

test("places are there again when nobody waited for them", async () => {
  const { tools, begun, end } = held();
  const limited = limitTools(tools, 1);
  for (const file of ["a", "b"]) {
    const run = limited.run(file, []);
    await end("none");
    await end(file);
    await run;
  }
  expect(begun).toEqual(["a", "b"]);
});

test("arguments and options are passed on", async () => {
  const seen: unknown[] = [];
  const run: ToolRunner["run"] = (...all) => {
    seen.push(all);
    return Promise.resolve(RESULT);
  };
  await limitTools({ run }, 1).run("nft", ["-f", "-"], { input: "text" });
  expect(seen).toEqual([["nft", ["-f", "-"], { input: "text" }]]);
});
