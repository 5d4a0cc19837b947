#!/bin/bash
# kernel.sh: sees to it that a virtual machine can be run: its programs are installed (when root), Debian's own kernel is
# downloaded and unpacked into a cache, never installed. Prints the directory that has of it:
#   version   what uname -r will say
#   kernel    to be booted
#   lib/      its modules
# Status 77: there can be no such machine here; says why.
# env: VM_CACHE, where such directories are kept; by default proxygw-vm in the user's cache directory
set -eu
PATH=$PATH:/usr/sbin:/sbin
: "${VM_CACHE:=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/proxygw-vm}"

unavailable() {
  echo "test/vm: $1" >&2
  exit 77
}

# As new as the archive has it. Lists of packages that are old name files that are gone.
download() {
  local package
  for try in first second; do
    package=$(package_name)
    if [ -n "$package" ] && [ -s "$VM_CACHE/$(key "$package")/version" ]; then return 0; fi
    if [ -n "$package" ]; then
      echo "test/vm: downloading $package" >&2
      (cd "$1" && apt-get -o APT::Sandbox::User=root -qq download "$package" >&2) && return 0
    fi
    [ "$try$(id -u)" = first0 ] || return 1
    apt-get update -qq >&2 || return 1
  done
}

package_name() {
  apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

# What tests may want of the modules: a quarter of them. Sound and graphics are not among it.
unpack() {
  local deb=$1 into=$2
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$into" --wildcards \
    './boot/vmlinuz-*' './lib/modules/*/modules.*' './lib/modules/*/kernel/arch/*' './lib/modules/*/kernel/crypto/*' \
    './lib/modules/*/kernel/fs/*' './lib/modules/*/kernel/lib/*' './lib/modules/*/kernel/net/*' \
    './lib/modules/*/kernel/drivers/char/*' './lib/modules/*/kernel/drivers/net/*.ko*' './lib/modules/*/kernel/drivers/virtio/*'
}

# The kernel proper out of its self-extracting image: an emulated processor would take seconds to extract it, and QEMU can boot
# it as it is (PVH). Where it is: linux/Documentation/x86/boot.rst. How it is packed: its first bytes.
extract() {
  local image=$1 setup_sectors offset length magic unpacker
  setup_sectors=$(od -An -tu1 -j$((0x1f1)) -N1 "$image")
  offset=$(((setup_sectors + 1) * 512 + $(od -An -tu4 -j$((0x248)) -N4 "$image")))
  length=$(od -An -tu4 -j$((0x24c)) -N4 "$image")
  magic=$(od -An -tx1 -j"$offset" -N4 "$image" | tr -d ' \n')
  case $magic in
    fd377a58) unpacker=xz ;;
    28b52ffd) unpacker=zstd ;;
    1f8b*) unpacker=gzip ;;
    *) return 1 ;;
  esac
  command -v "$unpacker" >/dev/null || return 1
  # the last four bytes are its length
  tail -c +$((offset + 1)) "$image" | head -c $((length - 4)) | "$unpacker" -dc
}

# Makes of the package in directory `into` what the directory is to have.
prepare() {
  local into=$1 package version
  package=$(basename "$into"/linux-image-*.deb)
  package=${package%%_*}
  version=${package#linux-image-}
  unpack "$into/$package"_*.deb "$into"
  rm "$into/$package"_*.deb
  depmod -b "$into" "$version"
  extract "$into/boot/vmlinuz-$version" >"$into/kernel" || cp "$into/boot/vmlinuz-$version" "$into/kernel"
  rm -r "$into/boot"
  echo "$version" >"$into/version"
  rm -rf "${VM_CACHE:?}/$(key "$package")"
  mv "$into" "$VM_CACHE/$(key "$package")"
}

# Another recipe makes another directory.
key() {
  echo "$1-$(cksum <"$0" | cut -d' ' -f1)"
}

here=$(dirname "$(readlink -f "$0")")
[ "$(uname -m)" = x86_64 ] || unavailable "there is a kernel for x86_64 only; this is $(uname -m)"
for program in apt-get dpkg-deb; do
  command -v "$program" >/dev/null || unavailable "the kernel is a Debian package, and $program is missing"
done
sh "$here/../setup/programs.sh" qemu-system-x86_64 busybox cpio modprobe xz >&2 || unavailable "programs are missing"
busybox --list | grep -qx switch_root || unavailable "this busybox has no switch_root: apt-get install busybox-static"
mkdir -p "$VM_CACHE"
VM_CACHE=$(readlink -f "$VM_CACHE")
# one at a time; the others find it made
exec 9>"$VM_CACHE/lock"
flock 9
new=$(mktemp -d "$VM_CACHE/new.XXXXXX")
trap 'rm -rf "$new"' EXIT
if download "$new"; then
  [ -z "$(find "$new" -name '*.deb')" ] || prepare "$new"
  directory=$VM_CACHE/$(key "$(package_name)")
else
  # without a network, the one of the last time does
  directory=$(find "$VM_CACHE" -maxdepth 1 -name "$(key '*')" -printf '%T@ %p\n' | sort -rn | sed -n '1s/^[^ ]* //p')
  [ -n "$directory" ] || unavailable "Debian's kernel could not be downloaded (apt-get download of what linux-image-amd64 stands for)"
  echo "test/vm: nothing could be downloaded; using $(<"$directory/version")" >&2
fi
touch "$directory"
# of former versions and recipes
find "$VM_CACHE" -mindepth 1 -maxdepth 1 -type d -mtime +7 -exec rm -rf {} +
echo "$directory"
