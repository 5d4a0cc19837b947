import { defineConfig } from "vitest/config";
import { paced } from "./test/pace.ts";

// Timers of the kernel and of child processes are real in all but the unit project, so those run one file at a time.
const real = { fileParallelism: false, testTimeout: paced(30_000), hookTimeout: paced(30_000) };

// Beginnings of paths that test/run.sh runs by themselves.
const elsewhere = (process.env["TEST_ELSEWHERE"] ?? "").split(" ").filter((path) => path !== "");
const exclude = ["node_modules/**", ...elsewhere.flatMap((path) => [`${path}*`, `${path}*/**`])];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          // sockets and files are real here as well: a slow machine takes seconds where others take milliseconds
          testTimeout: 20_000,
          include: [
            "cmd/**/*.test.ts",
            "pkg/**/*.test.ts",
            "plugin/**/*.test.ts",
            "test/soak/**/*.test.ts",
            "test/bench/**/*.test.ts",
          ],
          exclude: ["**/*.netns.test.ts", "**/*.fuzz.test.ts"],
        },
      },
      {
        test: {
          name: "fuzz",
          include: ["**/*.fuzz.test.ts"],
          exclude: ["node_modules/**"],
          // beside other tests, and behind them
          testTimeout: 60_000,
          // nothing but computing: one process for each core, after the others
          maxWorkers: "100%",
          sequence: { groupOrder: 1 },
        },
      },
      { test: { name: "netns", include: ["**/*.netns.test.ts"], exclude, ...real } },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts", "test/package/install.test.ts"],
          exclude: ["**/*.netns.test.ts", ...exclude],
          ...real,
        },
      },
      { test: { name: "deb", include: ["test/package/upgrade.test.ts"], ...real } },
      { test: { name: "vm", include: ["test/vm/**/*.test.ts"], ...real } },
    ],
  },
});
