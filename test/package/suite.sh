#!/bin/bash
# suite.sh: the tests of the Debian package. Called by `make test-deb`, which has built it.
# What cannot be done here is skipped, and said so. TEST_ROOT=no leaves out the bare Debian, TEST_VM=no the virtual machine.
set -u
cd "$(dirname "$0")/../.." || exit 1
if [ "$(id -u)" != 0 ]; then
  echo "The tests of the Debian package make a system to install it in: run them as root (sudo make test-deb)." >&2
  exit 1
fi
status=0
[ "${TEST_ROOT:-}" = no ] || bash test/package/deb.sh || status=$?
[ "$status" = 0 ] || [ "$status" = 77 ] || exit "$status"
[ "${TEST_VM:-}" != no ] || exit "$status"

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
VM_INIT=systemd VM_TIMEOUT=${VM_TIMEOUT:-900} test/vm/run.sh node_modules/.bin/vitest run --project deb --reporter=verbose
code=$?
if [ $code = 77 ]; then
  echo "!!! The tests under systemd are SKIPPED: there can be no virtual machine here" >&2
elif [ $code != 0 ]; then
  status=$code
fi
exit "$status"
