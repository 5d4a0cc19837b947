#!/bin/sh
# programs.sh PROGRAM...: sees to it that these are there, with apt-get when root.
set -eu
PATH=$PATH:/usr/sbin:/sbin
missing= packages=
for program in "$@"; do
  command -v "$program" >/dev/null && continue
  case $program in
    nft) package=nftables ;;
    ip) package=iproute2 ;;
    unshare) package=util-linux ;;
    nc) package=netcat-openbsd ;;
    dig) package=dnsutils ;;
    systemd-analyze) package=systemd ;;
    *) package=$program ;;
  esac
  missing="$missing $program" packages="$packages $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "missing programs:$missing. On Debian and Ubuntu: sudo apt-get install$packages" >&2
  exit 1
fi
echo "installing$packages"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $packages >/dev/null 2>&1 || {
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends $packages >/dev/null
}
