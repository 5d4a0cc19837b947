#!/bin/bash
# bare-debian.sh [PACKAGE...]: prints the path of an archive of a bare Debian 12 with these packages, which it makes where there is none.
# From where this machine has its packages. Status 77, and a line about why: it cannot be had here.
#
# env: TEST_DEB_ROOT  keeps the archives between runs; default ~/.cache/proxygw-deb
set -eu
cache=${TEST_DEB_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/proxygw-deb}
suite=bookworm
architecture=$(dpkg --print-architecture)
mkdir -p "$cache"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

cannot() {
  [ ! -s "$work/log" ] || tail -5 "$work/log" >&2
  echo "$*" >&2
  exit 77
}

bare=$cache/$suite-$architecture.tar
if [ ! -e "$bare" ]; then
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 2>/dev/null | awk -v suite=$suite '$2 == suite { print $1; exit }')
  [ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 2>/dev/null | awk '$2 == "Debian" { print $1; exit }')
  [ -n "$mirror" ] || cannot "this machine has no Debian archive among its sources of packages"
  echo "making a bare Debian ($suite); it is kept in $cache" >&2
  debootstrap --variant=minbase $suite "$work/root" "$mirror" >"$work/log" 2>&1 || cannot "debootstrap failed"
  chroot "$work/root" apt-get clean
  tar -C "$work/root" -cf "$bare.new" .
  mv "$bare.new" "$bare"
  rm -rf "$work/root"
fi
archive=$bare
if [ $# != 0 ]; then
  names=$*
  archive=$cache/$suite-$architecture-${names// /-}.tar
fi
if [ ! -e "$archive" ]; then
  mkdir "$work/root"
  tar -C "$work/root" -xf "$bare"
  chroot "$work/root" sh -ec 'apt-get update -qq; apt-get install -y -qq --no-install-recommends "$@" >/dev/null; apt-get clean' sh "$@" \
    >"$work/log" 2>&1 || cannot "Debian's packages cannot be had: $*"
  tar -C "$work/root" -cf "$archive.new" .
  mv "$archive.new" "$archive"
fi
echo "$archive"
