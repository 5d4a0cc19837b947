#!/bin/sh
# install.sh install|uninstall: puts the built programs and all that belongs to them into the directories that the Makefile names
# by variables, or takes the same files away again. One list for both, so that neither knows a file that the other does not.
# The configuration is written only where there is none, and never taken away.
set -eu
cd "$(dirname "$0")/../.."
action=$1
: "${DESTDIR=}" "${bindir:?}" "${pkglibdir:?}" "${pkgdatadir:?}" "${mandir:?}" "${docdir:?}" "${sysconfdir:?}" "${unitdir:?}"
: "${bashcompdir:?}" "${zshcompdir:?}" "${fishcompdir:?}"

# Paths in what is installed are those of the system that DESTDIR will be.
fill() {
  sed -e "s|@bindir@|$bindir|g" -e "s|@pkglibdir@|$pkglibdir|g" -e "s|@program@|${program:-}|g" \
    -e "s|/usr/bin/proxygw|$bindir/proxygw|g" -e "s|/etc/proxygw.yaml|$sysconfdir/proxygw.yaml|g" \
    -e "s|\$schema=\(\.\./\)*proxygw.schema.json|\$schema=$pkgdatadir/proxygw.schema.json|" -e "s|/usr/share/proxygw/|$pkgdatadir/|g" "$1"
}

# put MODE SOURCE DESTINATION: as it is; put_filled: with the paths above
put() {
  if [ "$action" = uninstall ]; then rm -f "$DESTDIR$3"; else install -D -m "$1" "$2" "$DESTDIR$3"; fi
}
put_filled() {
  if [ "$action" = uninstall ]; then rm -f "$DESTDIR$3" && return; fi
  mkdir -p "$DESTDIR$(dirname "$3")"
  rm -f "$DESTDIR$3"
  fill "$2" >"$DESTDIR$3"
  chmod "$1" "$DESTDIR$3"
}

# Native packages: what their modules load, for this machine's processor and C library, without their sources.
native() {
  libc=$(if getconf GNU_LIBC_VERSION >/dev/null 2>&1; then echo linux; else echo musl; fi)
  (
    cd node_modules
    ls koffi/package.json koffi/LICENSE.txt koffi/index.js koffi/index.cjs
    # less what generates its sources
    find koffi/src/koffi \( -name '*.js' -o -name '*.cjs' \) ! -name 'trampolines.*' ! -name 'indirect.*'
    find @koromix/koffi-linux-* -type f \( -name '*.js' -o -name package.json -o -path "*/${libc}_*/koffi.node" \)
    # compiled where there is a compiler; without it systemd is told by systemd-notify
    if [ -e unix-dgram/build/Release/unix_dgram.node ]; then
      find unix-dgram/package.json unix-dgram/LICENSE unix-dgram/lib unix-dgram/build/Release/unix_dgram.node -type f
      find bindings/package.json bindings/LICENSE.md bindings/bindings.js -type f
      find file-uri-to-path/package.json file-uri-to-path/LICENSE file-uri-to-path/index.js -type f
    fi
  )
}

completion() {
  if [ "$action" = install ]; then build/proxygwctl completion "$1" >"build/completion.$1"; fi
  put 644 "build/completion.$1" "$2"
}

for program in proxygw proxygwctl; do
  put_filled 755 init/install/launcher.sh "$bindir/$program"
  [ "$action" = uninstall ] || sed 1d "build/$program" >"build/$program.cjs"
  put 644 "build/$program.cjs" "$pkglibdir/$program.cjs"
done
put 644 init/install/start.cjs "$pkglibdir/start.cjs"
if [ "$action" = uninstall ]; then
  rm -rf "$DESTDIR$pkglibdir"
else
  rm -rf "$DESTDIR$pkglibdir/node_modules"
  native | while read -r file; do put 644 "node_modules/$file" "$pkglibdir/node_modules/$file"; done
fi
put 644 configs/proxygw.schema.json "$pkgdatadir/proxygw.schema.json"
for dropin in hardened unprivileged; do
  put_filled 644 "init/systemd/$dropin.conf" "$pkgdatadir/systemd/$dropin.conf"
done
put_filled 644 init/systemd/proxygw.service "$unitdir/proxygw.service"
for page in proxygw.8 proxygwctl.8 proxygw.yaml.5; do
  put_filled 644 "init/man/$page" "$mandir/man${page##*.}/$page"
done
put 644 configs/grafana/proxygw.json "$pkgdatadir/grafana/proxygw.json"
put 644 configs/prometheus/alerts.yaml "$pkgdatadir/prometheus/alerts.yaml"
for document in README.md docs/*.md docs/bench.svg; do
  put 644 "$document" "$docdir/$document"
done
[ "$action" = uninstall ] || sh init/install/licences.sh >build/licences
put 644 build/licences "$docdir/licences"
put_filled 644 configs/proxygw.example.yaml "$docdir/examples/proxygw.yaml"
for example in configs/examples/*.yaml; do
  put_filled 644 "$example" "$docdir/examples/${example##*/}"
done
completion bash "$bashcompdir/proxygwctl"
completion zsh "$zshcompdir/_proxygwctl"
completion fish "$fishcompdir/proxygwctl.fish"

config=$sysconfdir/proxygw.yaml
if [ "$action" = install ]; then
  if [ ! -e "$DESTDIR$config" ]; then put_filled 644 configs/proxygw.default.yaml "$config"; fi
  if [ -z "$DESTDIR" ] && ! getent group proxygw >/dev/null; then
    echo "The control socket of $config is for a group that is not there yet: groupadd --system proxygw"
  fi
else
  for directory in "$pkgdatadir/grafana" "$pkgdatadir/prometheus" "$pkgdatadir/systemd" "$docdir/docs" "$docdir/examples"; do
    rmdir -p "$DESTDIR$directory" 2>/dev/null || true
  done
  if [ -e "$DESTDIR$config" ]; then echo "$DESTDIR$config is left where it is"; fi
fi
