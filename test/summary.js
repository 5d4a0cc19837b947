// summary.js REPORT...: the number of tests in the JSON reports of vitest. A file REPORT.skipped in place of a report says why
// there is none. Status 1 when a test has failed, when there was none, or when a report is missing.
import { existsSync, readFileSync } from "node:fs";

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
    // a file that could not be loaded has failed, though none of its tests has
    failed += report.testResults.filter(
      ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
    ).length;
  } else {
    failed++;
    console.log(`there is no report ${name}`);
  }
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
