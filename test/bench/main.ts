/**
 * The benchmark: `main.ts run [ONLY=part,…] [ROUNDS=n] [SHORT=1]` measures and saves, in namespaces of its own (run.sh);
 * `main.ts publish` turns what the last whole run saved into docs/bench.svg and the tables of README.md and
 * docs/performance.md.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { measureCold } from "./cold.ts";
import { measureHeld, measureStorm } from "./crowd.ts";
import { goals } from "./goals.ts";
import { measureIdle } from "./idle.ts";
import { machine } from "./machine.ts";
import { Progress } from "./progress.ts";
import { withSection } from "./published.ts";
import { report, summaryTable } from "./report.ts";
import type { Results } from "./results.ts";
import { measureScale } from "./scale.ts";
import { type Part, parseSettings, type Settings } from "./settings.ts";
import { svg } from "./svg.ts";
import { measureWarm } from "./warm.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const OUTPUT = join(ROOT, "build/bench");
const LAST = join(OUTPUT, "results.json");

const MEASURES: Readonly<Record<Part, (settings: Settings, directory: string, progress: Progress) => Promise<unknown>>> = {
  warm: measureWarm,
  cold: measureCold,
  scale: measureScale,
  storm: measureStorm,
  held: measureHeld,
  idle: measureIdle,
};

async function run(words: readonly string[]): Promise<void> {
  const settings = parseSettings(words);
  const directory = await mkdtemp(join(tmpdir(), "proxygw-bench-"));
  const measured: Record<string, unknown> = {};
  const seconds: Record<string, number> = {};
  const failures: string[] = [];
  try {
    for (const part of settings.parts) {
      const begun = performance.now();
      const progress = new Progress(part);
      try {
        measured[part] = await MEASURES[part](settings, directory, progress);
      } catch (error) {
        // what the other parts measured is worth having
        progress.failed(error);
      }
      failures.push(...progress.failures);
      seconds[part] = (performance.now() - begun) / 1000;
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  const command = ["make bench", ...words.filter((word) => !word.endsWith("="))].join(" ");
  const results = {
    date: new Date().toISOString(),
    command,
    short: settings.short,
    machine: await machine(),
    seconds,
    failures,
    ...measured,
  };
  await save(results);
  process.stdout.write(`${report(results)}\nsaved in ${LAST}\n`);
  if (failures.length > 0) process.exitCode = 1;
}

async function save(results: Results): Promise<void> {
  await mkdir(OUTPUT, { recursive: true });
  const text = `${JSON.stringify({ ...results, goals: goals(results) }, undefined, 1)}\n`;
  await writeFile(LAST, text);
  await writeFile(join(OUTPUT, `${results.date.replaceAll(/[:.]/g, "-")}.json`), text);
}

async function publish(): Promise<void> {
  const results = JSON.parse(await readFile(LAST, "utf8")) as Results;
  if (results.short || results.warm === undefined || results.failures.length > 0)
    throw new Error(`${LAST} is not from a whole run that succeeded: make bench`);
  await mkdir(join(ROOT, "docs"), { recursive: true });
  await writeFile(join(ROOT, "docs/bench.svg"), svg(results.warm));
  const sections = [
    ["README.md", `![](docs/bench.svg)\n\n${summaryTable(results.warm)}`],
    // a level down, since the page has a title of its own
    ["docs/performance.md", report(results).replaceAll(/^## /gm, "### ").trim()],
  ] as const;
  for (const [name, section] of sections) {
    const file = join(ROOT, name);
    await writeFile(file, withSection(await readFile(file, "utf8"), section, name));
  }
}

const [what, ...words] = process.argv.slice(2);
if (what === "publish") await publish();
else await run(words);
