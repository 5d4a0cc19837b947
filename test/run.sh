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
node_modules/.bin/vitest run --project unit --reporter=default --reporter=json --outputFile.json="$reports/unit.json" || status=1

# The tests on real packets mostly wait. Two at a time, each in namespaces of its own: in the foreground those that look at the time;
# and with what they leave of the processors, those that only compute.
beside="test/e2e/examples test/e2e/control-client test/e2e/demo test/e2e/doctor test/e2e/large-config test/e2e/metrics"
beside="$beside test/e2e/observe test/e2e/privilege test/e2e/survival test/e2e/traffic test/package pkg/dataplane pkg/netlink"
# shellcheck disable=SC2086
sh test/netns.sh --project netns --project e2e $beside --reporter=default --reporter=json \
  --outputFile.json="$reports/real-beside.json" >"$reports/real-beside.log" 2>&1 &
beside_pid=$!
nice -n 19 node_modules/.bin/vitest run --project fuzz --reporter=default --reporter=json \
  --outputFile.json="$reports/fuzz.json" >"$reports/fuzz.log" 2>&1 &
fuzz=$!
trap 'kill "$fuzz" "$beside_pid" 2>/dev/null; rm -rf "$reports"' EXIT
TEST_ELSEWHERE=$beside sh test/netns.sh --project netns --project e2e --reporter=default --reporter=json --outputFile.json="$reports/real.json" || status=1
wait "$beside_pid" || status=1
wait "$fuzz" || status=1
cat "$reports/real-beside.log" "$reports/fuzz.log"
if [ "${TEST_VM:-}" = no ]; then
  echo "the tests on Debian's own kernel, because of TEST_VM=no" >"$reports/vm.json.skipped"
  set -- "$reports/vm.json"
else
  bash test/vm/suite.sh selection "$reports" || status=1
  set -- "$reports/vm-systemd.json"
fi
node test/summary.js "$reports/unit.json" "$reports/fuzz.json" "$reports/real.json" "$reports/real-beside.json" "$@" || status=1
exit "$status"
