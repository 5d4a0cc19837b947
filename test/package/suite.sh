#!/bin/bash
# suite.sh: the tests of the Debian package. Called by `make test-deb`, which has built it.
# What cannot be done here is skipped, and said so. TEST_LINT=no leaves out lintian, TEST_ROOT=no the bare Debian, TEST_CONTAINER=no the
# container, TEST_VM=no the virtual machine.
set -u
cd "$(dirname "$0")/../.." || exit 1
if [ "$(id -u)" != 0 ]; then
  echo "The tests of the Debian package make a system to install it in: run them as root (sudo make test-deb)." >&2
  exit 1
fi
status=0 skipped= bare="a bare Debian"
# part NAME COMMAND...
part() {
  local name=$1 code=0
  shift
  "$@" || code=$?
  case $code in
    0) ;;
    77)
      skipped="${skipped:+$skipped, }$name"
      printf '\n%s\n\n' "!!! $name: SKIPPED" >&2
      ;;
    *) status=1 ;;
  esac
}
closing() {
  if [ $status != 0 ]; then
    echo "FAILED: the tests of the Debian package" >&2
  elif [ -n "$skipped" ]; then
    echo "!!! passed, but these parts of the tests were SKIPPED: $skipped" >&2
    # without that, too little is shown to call it passed
    [[ $skipped != *"$bare"* ]] || status=77
  else
    echo "all tests of the Debian package passed"
  fi
  exit $status
}
lint() {
  sh test/setup/programs.sh lintian || return 77
  # what it overrides is in init/debian/lintian-overrides, with the reasons
  lintian --no-cfg --fail-on error,warning build/proxygw_*.deb && echo "ok - lintian finds no error and nothing to warn of"
}
under_systemd() {
  local package version
  # This machine's own files are those of the virtual one, so it has a Node.js; unpacked again there, a small package takes less time.
  rm -rf build/deb-test
  mkdir -p build/deb-test
  package=$(ls build/proxygw_*.deb)
  dpkg-deb -R "$package" build/deb-test/files
  rm -f build/deb-test/files/usr/lib/proxygw/node
  version=$(sed -n 's/^Version: //p' build/deb-test/files/DEBIAN/control)
  dpkg-deb --root-owner-group -Zgzip -z1 --build build/deb-test/files build/deb-test/first.deb >/dev/null
  sed -i "s/^Version: .*/Version: $version+1/" build/deb-test/files/DEBIAN/control
  dpkg-deb --root-owner-group -Zgzip -z1 --build build/deb-test/files build/deb-test/next.deb >/dev/null
  rm -rf build/deb-test/files
  VM_INIT=systemd VM_TIMEOUT=${VM_TIMEOUT:-2400} exec test/vm/run.sh node_modules/.bin/vitest run --project deb --reporter=verbose
}

# The machine takes longest, and one processor: the other parts are done beside it.
machine=
if [ "${TEST_VM:-}" != no ]; then
  log=$(mktemp)
  under_systemd >"$log" 2>&1 &
  machine=$!
  trap 'rm -f "$log"' EXIT
  trap 'kill "$machine" 2>/dev/null; exit 130' INT TERM HUP
fi
# shellcheck disable=SC2317
machine_ended() {
  local code=0
  wait "$machine" || code=$?
  cat "$log"
  return $code
}
[ "${TEST_LINT:-}" = no ] || part lintian lint
[ "${TEST_ROOT:-}" = no ] || part "$bare" bash test/package/deb.sh
[ "${TEST_CONTAINER:-}" = no ] || part "a container" bash test/package/container.sh
[ -z "$machine" ] || part "systemd in a virtual machine" machine_ended
closing
