#!/bin/bash
# run.sh COMMAND [ARGUMENT...]
# Runs a command as root in a small virtual machine with Debian's own kernel. It finds all files of this machine at their places,
# in the same working directory; what it writes is thrown away, but for what it puts under /out. There is no network but what
# it makes. The status is the command's; 77: there can be no such machine here, 124: VM_TIMEOUT passed, 125: it ended without one.
#
# env: VM_OUT=directory   is /out for the command
#      VM_TIMEOUT=600     in seconds
#      VM_INIT=systemd    systemd is process 1, not just a shell
#      VM_MEMORY=1024     in MiB
#      VM_CPUS=2
#      VM_ACCEL=kvm|tcg   instead of what was found to work
#      VM_CACHE           see kernel.sh
# The command also finds VM=1, and TEST_PACE: how much slower programs run than on the host (see test/e2e/pace.ts).
set -eu
here=$(dirname "$(readlink -f "$0")")
PATH=$PATH:/usr/sbin:/sbin
: "${VM_OUT:=}" "${VM_TIMEOUT:=600}" "${VM_INIT:=}" "${VM_MEMORY:=1024}" "${VM_CPUS:=2}" "${VM_ACCEL:=}"

if [ $# = 0 ]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
  exit 64
fi

# The file system to begin with: busybox (with its libraries, should it need any), and the modules that lead to the host's files,
# in the order of loading.
initial_files() {
  local kernel=$1 version=$2 into=$3 busybox program library module
  mkdir -p "$into"/{bin,dev,proc,modules} "$into"/mnt/{host,written,root}
  busybox=$(readlink -f "$(command -v busybox)")
  cp "$busybox" "$into/bin/busybox"
  { ldd "$busybox" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r library; do cp -L --parents "$library" "$into"; done || true
  for program in sh mount umount mkdir insmod switch_root cat ln; do ln -s busybox "$into/bin/$program"; done
  for module in virtio_pci 9pnet_virtio 9p overlay; do
    modprobe -d "$kernel" -S "$version" --show-depends "$module"
  done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r module; do
    case $module in
      *.xz) xz -dc "$module" ;;
      *.zst) zstd -dc "$module" ;;
      *) cat "$module" ;;
    esac >"$into/modules/$(basename "$module" | sed 's/\.ko.*//')"
    basename "$module" | sed 's/\.ko.*//'
  done >"$into/order"
  mv "$into/order" "$into/modules/order"
  cp "$here/guest/init" "$into/init"
  chmod 755 "$into/init"
  (cd "$into" && find . | cpio -o -H newc --quiet)
}

kernel=$(bash "$here/kernel.sh")
version=$(<"$kernel/version")

# A device /dev/kvm may be a hypervisor in software, under which a kernel does not get up.
if [ -z "$VM_ACCEL" ]; then
  VM_ACCEL=tcg
  if [ -w /dev/kvm ] && { [ -d /sys/module/kvm_intel ] || [ -d /sys/module/kvm_amd ]; }; then VM_ACCEL=kvm; fi
fi
case $VM_ACCEL in
  kvm) processor=(-accel kvm -cpu host) pace=2 ;;
  *) processor=(-accel tcg,thread=multi -cpu max) pace=10 ;;
esac

work=$(mktemp -d)
qemu=
# shellcheck disable=SC2317
clean() {
  [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

initial_files "$kernel" "$version" "$work/files" | gzip -1 >"$work/initrd"
cp "$here/guest/start" "$work/start"
printf '%s\0' "$@" >"$work/argv"
TEST_PACE=${TEST_PACE:-$pace} VM_CWD=$PWD
export PATH HOME TEST_PACE
{
  declare -p PATH HOME TEST_PACE
  declare -p VM_CWD VM_OUT VM_INIT
} >"$work/settings"
files=(-fsdev "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap" -device virtio-9p-pci,fsdev=host,mount_tag=host)
if [ -n "$VM_OUT" ]; then
  mkdir -p "$VM_OUT"
  files+=(-fsdev "local,id=out,path=$(readlink -f "$VM_OUT"),security_model=none" -device virtio-9p-pci,fsdev=out,mount_tag=out)
fi

mkfifo "$work/console"
timeout -k 5 "$VM_TIMEOUT" qemu-system-x86_64 "${processor[@]}" -m "$VM_MEMORY" -smp "$VM_CPUS" \
  -nodefaults -no-user-config -display none -monitor none -no-reboot -nic none -serial stdio -serial "file:$work/status" \
  "${files[@]}" -kernel "$kernel/kernel" -initrd "$work/initrd" \
  -append "console=ttyS0 panic=-1 quiet vm.kernel=$kernel vm.version=$version vm.work=$work" \
  </dev/null >"$work/console" 2>"$work/errors" &
qemu=$!
# line by line and without a filter, which would keep lines back
while IFS= read -r line; do printf '%s\n' "${line%$'\r'}"; done <"$work/console"
ended=0
wait "$qemu" || ended=$?
qemu=
cat "$work/errors" >&2
status=$(tr -dc 0-9 <"$work/status" 2>/dev/null) || status=
if [ "$ended" = 124 ] || [ "$ended" = 137 ]; then
  echo "test/vm: not done within VM_TIMEOUT=$VM_TIMEOUT s" >&2
  exit 124
fi
if [ -z "$status" ]; then
  echo "test/vm: the machine ended without a status" >&2
  exit 125
fi
exit "$status"
