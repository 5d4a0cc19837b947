/** MINUTES=n [SEED=n] [ONLY=name;name]: soaks the built daemon; see CONTRIBUTING.md. Exit status 1 if anything is unexplained. */
import { clock } from "./ledger.ts";
import { Soak } from "./soak.ts";

const MOST_SHOWN = 40;

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
const minutes = Number(process.env["MINUTES"] ?? 10);
const only = process.env["ONLY"]?.split(";");
const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

print(`${String(minutes)} minutes; to have the same again: SEED=${String(seed)}`);
const verdict = await Soak.run({
  seed,
  ...(minutes > 0 ? { seconds: 60 * minutes } : {}),
  ...(only === undefined ? {} : { only }),
  print,
});
for (const line of verdict.summary) print(line);
for (const { time, text } of verdict.problems.slice(0, MOST_SHOWN)) print(`${clock(time)} ${text}`);
if (verdict.artefacts === undefined) {
  print("clean: no error that a fault does not explain, no leak, and the table is as it should be");
} else {
  print(
    `${String(verdict.problems.length)} problems; the log, what became of clients, and the faults are in ${verdict.artefacts}`,
  );
  process.exitCode = 1;
}
