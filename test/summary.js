// summary.js REPORT...: the tests that failed, each with the first line of why, and the number of tests in the JSON reports of
// vitest. A file REPORT.skipped in place of a report says why there is none. Status 1 when a test has failed, when there was none,
// or when a report is missing.
import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { stripVTControlCharacters } from "node:util";

const tellFailure = (what, why = "") =>
  console.log(`FAILED: ${what}: ${stripVTControlCharacters(why).trim().split("\n")[0].slice(0, 300)}`);

let [passed, failed, skipped] = [0, 0, 0];
for (const name of process.argv.slice(2)) {
  if (existsSync(`${name}.skipped`)) {
    skipped++;
    console.log(`SKIPPED: ${readFileSync(`${name}.skipped`, "utf8").trim()}`);
  } else if (existsSync(name)) {
    const report = JSON.parse(readFileSync(name, "utf8"));
    passed += report.numPassedTests;
    failed += report.numFailedTests;
    skipped += report.numPendingTests + report.numTodoTests;
    for (const { name: path, status, message, assertionResults } of report.testResults) {
      const file = relative(".", path);
      // a file that could not be loaded has failed, though none of its tests has
      if (status === "failed" && assertionResults.length === 0) {
        failed++;
        tellFailure(file, message);
      }
      for (const test of assertionResults)
        if (test.status === "failed") tellFailure(`${file} > ${test.fullName}`, test.failureMessages[0]);
    }
  } else {
    failed++;
    console.log(`there is no report ${name}`);
  }
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
