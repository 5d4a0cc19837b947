#!/bin/sh
# build.sh: makes build/proxygw_VERSION_ARCH.deb of what `make install` puts into a directory. Called by `make deb`.
#
# env: DEB_VERSION     the package's version
#      DEB_NODE        bundled: with this machine's Node.js inside, so that the package works where there is none, or an older one;
#                      system: without, and it depends on the system's nodejs. By default: bundled, if this machine's node is one
#                      program that needs no libraries of its own
#      DEB_MAINTAINER  who builds it
#      DEB_COMPRESSION  dpkg-deb's options
#      NODE_LICENSE    file with the licence of Node.js, if it is not where distributions of it have it
#      SOURCE_DATE_EPOCH  time of the files in it; by default that of the last commit
set -eu
cd "$(dirname "$0")/../.."
: "${DEB_VERSION:?}" "${DEB_NODE:=}" "${NODE_LICENSE:=}"
: "${DEB_COMPRESSION:=-Zxz}"
: "${DEB_MAINTAINER:=proxygw packages <packages@proxygw.invalid>}"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH
umask 022

fail() {
  echo "make deb: $*" >&2
  exit 1
}

node=$(readlink -f "$(command -v node)")
if [ -z "$DEB_NODE" ]; then
  # Debian's own node is a small program with a library of 50 MB and more than twenty others
  if ldd "$node" | grep -Evq 'linux-vdso|ld-linux|lib(c|m|dl|pthread|rt|gcc_s|stdc\+\+|atomic)\.so'; then DEB_NODE=system; else DEB_NODE=bundled; fi
fi
case $DEB_NODE in bundled | system) ;; *) fail "DEB_NODE is $DEB_NODE; expected bundled or system" ;; esac

architecture=$(dpkg --print-architecture)
work=build/deb
root=$work/root
rm -rf "$work"
mkdir -p "$root/DEBIAN"
DESTDIR=$PWD/$root sh init/install/install.sh install

licence() {
  for file in "$NODE_LICENSE" "$(dirname "$node")/../LICENSE" /usr/share/doc/nodejs/copyright /usr/share/doc/nodejs/LICENSE; do
    if [ -f "$file" ] && grep -q 'Node.js' "$file"; then
      echo "$file"
      return
    fi
  done
  fail "the licence of $node is not beside it; name its file with NODE_LICENSE, or leave Node.js out with DEB_NODE=system"
}

# as dh_strip does
strip_all() { strip --strip-unneeded --remove-section=.comment --remove-section=.note "$@"; }
find "$root" -name '*.node' | while read -r module; do strip_all "$module"; done
if [ "$DEB_NODE" = bundled ]; then
  licence=$(licence)
  install -m 755 "$node" "$root$pkglibdir/node"
  strip_all "$root$pkglibdir/node"
  runtime="" describe="It contains Node.js $(node --version), by which it runs."
else
  runtime="nodejs (>= 20.19)" describe="It runs by the system's Node.js."
fi

# Documents: as Debian wants them
doc=$root$docdir
{
  cat init/debian/copyright
  printf '\n\n'
  cat build/licences
  if [ "$DEB_NODE" = bundled ]; then
    printf '\n\n%s\n\n' "The licence of Node.js, $pkglibdir/node:"
    cat "$licence"
  fi
} | tr -d '\r' >"$doc/copyright"
rm -f "$doc/licences"
find "$root$pkglibdir/node_modules" -name 'LICENSE*' -delete
{
  echo "proxygw ($DEB_VERSION) unstable; urgency=medium"
  echo
  echo "  * Built of version $(sed -n 's/^  "version": "\(.*\)",/\1/p' package.json) of proxygw."
  echo
  echo " -- $DEB_MAINTAINER  $(date -u -R -d "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$doc/changelog.gz"
find "$root$mandir" -type f -exec gzip -9n {} +
if [ "$DEB_NODE" = bundled ]; then
  install -D -m 644 init/debian/lintian-overrides "$root/usr/share/lintian/overrides/proxygw"
fi

# What the programs of other languages in it need
mkdir -p "$work/debian"
printf 'Source: proxygw\n\nPackage: proxygw\nArchitecture: any\n' >"$work/debian/control"
binaries=$(find "$root" -name '*.node')
[ "$DEB_NODE" = system ] || binaries="$binaries $root$pkglibdir/node"
shared=$(cd "$work" && for each in $binaries; do echo "../../$each"; done | xargs dpkg-shlibdeps -O --ignore-missing-info 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
[ -n "$shared" ] || fail "dpkg-shlibdeps found nothing that the native modules need"
depends="$shared, ${runtime:+$runtime, }nftables (>= 1.0.6), adduser"
size=$(du -k -s --exclude=DEBIAN "$root" | cut -f 1)
sed -e "s|@version@|$DEB_VERSION|" -e "s|@architecture@|$architecture|" -e "s|@maintainer@|$DEB_MAINTAINER|" \
  -e "s|@depends@|$depends|" -e "s|@size@|$size|" -e "s|@describe@|$describe|" init/debian/control >"$root/DEBIAN/control"
echo "$sysconfdir/proxygw.yaml" >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do install -m 755 "init/debian/$script" "$root/DEBIAN/$script"; done
(cd "$root" && find . -type f ! -path './DEBIAN/*' ! -path ".$sysconfdir/*" -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
find "$root" -type d -exec chmod 755 {} +

package=build/proxygw_${DEB_VERSION}_$architecture.deb
# shellcheck disable=SC2086
dpkg-deb --root-owner-group $DEB_COMPRESSION --build "$root" "$package" >/dev/null
echo "$package: $(du -h "$package" | cut -f 1), installed $((size / 1024)) MiB, Node.js: $DEB_NODE; depends on $depends"
