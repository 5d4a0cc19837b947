#!/bin/sh
# All tests: those of pure code as they are, those of the packet path in network and mount namespaces of their own, so that
# nothing they do can reach this machine's network; then, on Debian's own kernel in a virtual machine, those that depend on the
# kernel (TEST_VM=no leaves them out). Closes with the number of tests.
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
sh test/netns.sh --project netns --project e2e --reporter=default --reporter=json --outputFile.json="$reports/real.json" || status=1
if [ "${TEST_VM:-}" = no ]; then
  echo "the tests on Debian's own kernel, because of TEST_VM=no" >"$reports/vm.json.skipped"
  set -- "$reports/vm.json"
else
  bash test/vm/suite.sh selection "$reports" || status=1
  set -- "$reports/vm-systemd.json"
fi
node test/summary.js "$reports/unit.json" "$reports/fuzz.json" "$reports/real.json" "$@" || status=1
exit "$status"
