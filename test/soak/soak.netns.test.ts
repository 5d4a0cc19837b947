import { describe, expect, it } from "vitest";
import { paced } from "../pace.ts";
import { Soak } from "./soak.ts";

describe("soak", () => {
  it(
    "explains every error of random clients, and leaks nothing, with each fault once",
    async () => {
      const lines: string[] = [];
      const verdict = await Soak.run({ seed: Date.now() % 1_000_000, print: (line) => lines.push(line) });
      expect(verdict.problems.map(({ text }) => text).slice(0, 20), [...lines, verdict.artefacts].join("\n")).toEqual([]);
    },
    paced(600_000),
  );
});
