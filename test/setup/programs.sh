#!/bin/sh
# programs.sh PROGRAM...: sees to it that these are there, with apt-get when root.
set -eu
PATH=$PATH:/usr/sbin:/sbin
missing= packages=
for program in "$@"; do
  case $program in
    # a script and a module, which are no programs
    bash-completion) [ ! -e /usr/share/bash-completion/bash_completion ] || continue ;;
    nginx-stream) [ ! -e /usr/lib/nginx/modules/ngx_stream_module.so ] || continue ;;
    # not in PATH
    postgres) ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || continue ;;
    *) ! command -v "$program" >/dev/null || continue ;;
  esac
  case $program in
    nft) package=nftables ;;
    ip | ss) package=iproute2 ;;
    nginx-stream) package=libnginx-mod-stream ;;
    systemd-socket-activate) package=systemd ;;
    unshare | nsenter | setpriv) package=util-linux ;;
    nc) package=netcat-openbsd ;;
    dig) package=dnsutils ;;
    dnsmasq) package=dnsmasq-base ;;
    dropbear) package=dropbear-bin ;;
    postgres) package=postgresql ;;
    redis-cli) package=redis-server ;;
    ssh) package=openssh-client ;;
    pgrep) package=procps ;;
    promtool) package=prometheus ;;
    systemd-analyze) package=systemd ;;
    qemu-system-x86_64) package=qemu-system-x86 ;;
    busybox) package=busybox-static ;;
    modprobe) package=kmod ;;
    xz) package=xz-utils ;;
    dpkg-deb) package=dpkg ;;
    dpkg-shlibdeps) package=dpkg-dev ;;
    strip) package=binutils ;;
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
# servers are wanted as programs: this machine is not to serve anything by them, neither now nor after a reboot
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
fi
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $packages >/dev/null 2>&1 || {
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends $packages >/dev/null
}
for service in haproxy nginx postgresql prometheus redis-server; do
  case " $packages " in
    *" $service "*) ! command -v systemctl >/dev/null || systemctl disable -q $service 2>/dev/null || true ;;
  esac
done
