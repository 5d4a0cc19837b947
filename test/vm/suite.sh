#!/bin/bash
# suite.sh selection|all [DIRECTORY]
# The tests on Debian's own kernel: those that take a machine of their own, under systemd, and with "all" those of the packet path in
# two more, two machines at a time. Puts vitest's reports into DIRECTORY, or closes with their number.
# env: VM_TIMEOUT, for a machine that is busy with other things; see run.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
if [ "$(id -u)" != 0 ]; then
  echo "The tests make network namespaces: run them as root." >&2
  exit 1
fi
reports=${2:-}
if [ -z "$reports" ]; then
  reports=$(mktemp -d)
  trap 'rm -rf "$reports"' EXIT
fi
case ${1:-} in
  # the paths that depend on the kernel, with real clients: what make test has time for
  selection) limit=900 packet_path=no machine_tests=(test/vm/stock-kernel) ;;
  # two machines at a time: one processor each, or they wait for each other's locks (emulated, two took twice as long with two each)
  all) limit=7200 packet_path=yes machine_tests=() && export VM_CPUS=1 ;;
  *)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 64
    ;;
esac

echo "test/vm: making a machine with Debian's own kernel"
if ! reason=$(bash test/vm/kernel.sh 2>&1 >/dev/null); then
  reason=${reason##*$'\n'}
  printf '\n%s\n\n' "!!! The tests on Debian's own kernel are SKIPPED: $reason" >&2
  for name in vm-packet-path vm-systemd; do echo "the tests on Debian's own kernel ($name): $reason" >"$reports/$name.json.skipped"; done
  [ -n "${2:-}" ] || node test/summary.js "$reports/vm-packet-path.json" "$reports/vm-systemd.json"
  # make test goes on, and counts them; who asked for these tests gets to know by the status as well
  [ -n "${2:-}" ] && exit 0 || exit 77
fi
status=0
export VM_OUT=$reports
export VM_TIMEOUT=${VM_TIMEOUT:-$limit}

# the tests that take a machine of their own
machine_tests() {
  VM_INIT=systemd test/vm/run.sh node_modules/.bin/vitest run --project vm "${machine_tests[@]}" \
    --reporter=verbose --reporter=json --outputFile.json=/out/vm-systemd.json
}

# packet_path_tests 1|2: a half of those of the packet path, each test file in the process of the one before. What `make install`
# brings is the same on any kernel.
packet_path_tests() {
  test/vm/run.sh env TEST_ELSEWHERE=test/package sh test/netns.sh --project netns --project e2e --no-isolate "--shard=$1/2" \
    --reporter=verbose --reporter=json "--outputFile.json=/out/vm-netns-$1.json"
}

# Two machines at a time: more would make none of them faster. What the second one says comes when the first is done.
# A process group of its own, to be ended as a whole.
set -m
{
  machine_tests || failed=1
  [ "$packet_path" = no ] || packet_path_tests 1 || failed=1
  exit "${failed:-0}"
} >"$reports/beside.log" 2>&1 &
beside=$!
set +m
trap 'kill -- "-$beside" 2>/dev/null; exit 130' INT TERM HUP
[ "$packet_path" = no ] || packet_path_tests 2 || status=1
wait "$beside" || status=1
cat "$reports/beside.log"
summed=("$reports/vm-systemd.json")
[ "$packet_path" = no ] || summed+=("$reports/vm-netns-1.json" "$reports/vm-netns-2.json")
[ -n "${2:-}" ] || node test/summary.js "${summed[@]}" || status=1
exit "$status"
