#!/bin/sh
# All tests: those of pure code as they are, those of the packet path in network and mount namespaces of their own,
# so that nothing they do can reach this machine's network. Closes with the number of tests.
set -u
cd "$(dirname "$0")/.." || exit 1
PATH=$PATH:/usr/sbin:/sbin
export PATH
if [ "$(id -u)" != 0 ]; then
  echo "The tests make network namespaces: run them as root (sudo make test)." >&2
  exit 1
fi
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
status=0
for project in unit fuzz; do
  node_modules/.bin/vitest run --project "$project" \
    --reporter=default --reporter=json --outputFile.json="$reports/$project.json" || status=1
done
unshare --net --mount --propagation private sh -c '
  ip link set lo up && mkdir -p /run/netns && mount -t tmpfs netns /run/netns &&
  exec node_modules/.bin/vitest run --project netns --project e2e --reporter=default --reporter=json --outputFile.json="$1"
' sh "$reports/real.json" || status=1
node -e '
  let passed = 0, failed = 0, skipped = 0;
  for (const file of ["unit.json", "fuzz.json", "real.json"]) {
    const report = JSON.parse(require("fs").readFileSync(process.argv[1] + "/" + file, "utf8"));
    passed += report.numPassedTests; failed += report.numFailedTests; skipped += report.numPendingTests + report.numTodoTests;
  }
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
' "$reports" || status=1
exit "$status"
