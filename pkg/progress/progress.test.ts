import { describe, expect, it } from "vitest";
import { FakeClock } from "../clock/fake-clock.ts";
import type { ToolResult, ToolRunner } from "../process/process.ts";
import { Progress, watchedTools } from "./progress.ts";

/** Tools whose runs end when they are told to. */
function pendingTools() {
  const ends: ((result: ToolResult) => void)[] = [];
  const tools: ToolRunner = {
    run: () => new Promise((resolve) => ends.push(resolve)),
  };
  const end = (): void => {
    for (const each of ends.splice(0)) each({ exitCode: 0, stdout: "", stderr: "" });
  };
  return { tools, end };
}

describe("Progress", () => {
  it("names what is under way for longer than it may be, until it ends", async () => {
    const clock = new FakeClock();
    const progress = new Progress(clock);
    const failing = new AbortController();
    const slow = progress.within(1000, "slow", () => clock.sleep(1e9, failing.signal));
    expect(await progress.within(1000, "quick", () => Promise.resolve(5))).toBe(5);
    await clock.advance(1000);
    expect(progress.overdue()).toEqual([]);
    await clock.advance(1);
    expect(progress.overdue()).toEqual(["slow"]);
    failing.abort(new Error("failed"));
    await expect(slow).rejects.toThrow("failed");
    // a failure is an end
    expect(progress.overdue()).toEqual([]);
  });

  it("gives a tool its own time limit, and time to be killed", async () => {
    const clock = new FakeClock();
    const progress = new Progress(clock);
    const { tools, end } = pendingTools();
    const watched = watchedTools(tools, progress);
    const runs = [watched.run("nft", ["-f", "-"]), watched.run("probe", [], { timeoutMs: 60_000 })];
    await clock.advance(40_000);
    expect(progress.overdue()).toEqual([]);
    await clock.advance(1);
    expect(progress.overdue()).toEqual(["nft -f"]);
    await clock.advance(50_000);
    expect(progress.overdue()).toEqual(["nft -f", "probe"]);
    end();
    await Promise.all(runs);
    expect(progress.overdue()).toEqual([]);
  });
});
