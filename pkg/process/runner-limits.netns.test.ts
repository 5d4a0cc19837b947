import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { paced } from "../../test/pace.ts";

const PREAMBLE = `
import { closeSync, openSync } from "node:fs";
import { systemTools } from "./pkg/process/runner.ts";
import { identityOf, isStill, ProcessGroup } from "./pkg/process/process-group.ts";
const tools = systemTools();
const outcome = (promise) => promise.then((result) => result.stdout, (error) => error.code + ": " + error.message);
`;

/** Runs a program in a process of its own, behind `wrapper`; gives the lines that it prints. */
async function run(wrapper: string[], program: string): Promise<string[]> {
  const [file = "", ...args] = [
    ...wrapper,
    process.execPath,
    ...["--import", "tsx", "--input-type=module", "--eval", PREAMBLE + program],
  ];
  const { stdout } = await execa(file, args, { timeout: paced(20_000) });
  return stdout.split("\n");
}

describe("a process without descriptors", () => {
  it("can run no tool, and says so; once there are enough, it can", async () => {
    const program = `
await outcome(tools.run("true", []));
const taken = [];
try { for (;;) taken.push(openSync("/dev/null", "r")); } catch {}
for (let free = 0; free <= 12; free++) {
  if (free > 0) closeSync(taken.pop());
  console.log(await outcome(tools.run("cat", [], { input: "run" })));
}`;
    const outcomes = await run(["prlimit", "--nofile=80"], program);
    expect(new Set(outcomes)).toEqual(new Set(["TOOL_FAILED: cat could not be run", "run"]));
    expect(outcomes.indexOf("run")).toBeGreaterThan(0);
    expect(outcomes.slice(outcomes.indexOf("run"))).not.toContain("TOOL_FAILED: cat could not be run");
  });

  it("takes no process for gone that it cannot look at", async () => {
    const program = `
const identity = identityOf(process.pid);
const group = new ProcessGroup(process.pid);
const taken = [];
try { for (;;) taken.push(openSync("/dev/null", "r")); } catch {}
const seen = [group.alive(), isStill(identity)];
for (const each of taken) closeSync(each);
console.log(seen.join(" "), group.alive());`;
    // setsid: it leads a group of its own
    expect(await run(["prlimit", "--nofile=80", "setsid", "--wait"], program)).toEqual(["true true true"]);
  });
});

describe("a tool that even SIGKILL does not end", () => {
  it("is given up", async () => {
    const program = `
const begun = performance.now();
// as for one that waits in the kernel: this process may not signal it
console.log(await outcome(tools.run("setpriv", ["--reuid", "65534", "--clear-groups", "sleep", "${String(paced(6))}"], { timeoutMs: 300 })));
console.log(performance.now() - begun < ${String(paced(5000))});
process.exit(0);`;
    expect(await run(["setpriv", "--bounding-set", "-kill", "--inh-caps", "-kill"], program)).toEqual([
      "TOOL_TIMEOUT: setpriv did not end within 300 ms, nor when it was killed",
      "true",
    ]);
  });
});
