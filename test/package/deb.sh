#!/bin/bash
# deb.sh: the Debian package in a bare Debian 12: installed, used, upgraded under an open connection, removed, purged; then the same
# root as a container that has few rights. With systemd as process 1, the same in a virtual machine (upgrade.test.ts).
# Called by `make test-deb`. Status 77: there can be no such root here.
set -eu
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d)
root=$work/root
passed=0

skip() {
  printf '\n%s\n\n' "!!! The tests of the Debian package are SKIPPED: $*" >&2
  exit 77
}
ok() {
  passed=$((passed + 1))
  echo "ok $passed - $*"
}
fail() {
  echo "FAILED: $*" >&2
  [ ! -e "$root/tmp/log" ] || tail -20 "$root/tmp/log" >&2
  exit 1
}
equal() { [ "$2" = "$3" ] || fail "$1: expected \"$2\", got \"$3\""; }
until_true() {
  local end=$((SECONDS + 60))
  until eval "$2"; do
    [ $SECONDS -lt $end ] || fail "not within a minute: $1"
    sleep 0.1
  done
}

daemon=
holder=
# shellcheck disable=SC2317
clean() {
  [ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null || true
  # the first process of the namespace, and with it all others
  [ -z "$holder" ] || kill -KILL "$holder" 2>/dev/null || true
  while umount -R "$root" 2>/dev/null; do :; done
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

[ "$(id -u)" = 0 ] || skip "they take root"
sh test/setup/programs.sh debootstrap dpkg-deb unshare nsenter setpriv || skip "a program is missing"
architecture=$(dpkg --print-architecture)
package=$(ls build/proxygw_*_"$architecture".deb)
[ "$(echo "$package" | wc -l)" = 1 ] || fail "there should be one package in build, but there are: $package"

# what it depends on and recommends
base=$(bash test/package/bare-debian.sh nftables adduser iptables) || skip "there is no bare Debian to be had"

mkdir "$root"
tar -C "$root" -xf "$base"
cp "$package" "$root/tmp/first.deb"
# the next version: the same files
dpkg-deb -R "$package" "$work/next"
version=$(sed -n 's/^Version: //p' "$work/next/DEBIAN/control")
sed -i "s/^Version: .*/Version: $version+1/" "$work/next/DEBIAN/control"
dpkg-deb --root-owner-group -Zgzip -z1 --build "$work/next" "$root/tmp/next.deb" >/dev/null

# A machine of its own: processes, network, mounts
unshare --pid --fork --net --mount --uts --ipc --propagation private sh -c "
  mount -t proc proc $root/proc
  mount -t tmpfs run $root/run
  mount --rbind /dev $root/dev
  ip link set lo up
  echo ready >$work/ready
  exec sleep infinity" 2>/dev/null &
unshared=$!
until_true "the namespaces are made" '[ -e $work/ready ]'
holder=$(pgrep -P "$unshared")
inside() {
  nsenter -t "$holder" --pid --net --mount --uts --ipc -- \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}
if inside sh -c 'command -v node' >/dev/null; then fail "the bare system has Node.js already"; fi

files() { inside sh -c 'cd /; find . -xdev \( -path ./tmp -o -path ./proc -o -path ./run -o -path ./dev -o -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/cache -o -path ./etc/group- -o -path ./etc/gshadow- \) -prune -o -print' | LC_ALL=C sort; }
groups() { inside sort /etc/group; }
files >"$work/files.before"
groups >"$work/groups.before"

inside dpkg -i /tmp/first.deb >"$work/log" 2>&1 || { cat "$work/log" && fail "dpkg -i"; }
equal "version" "${version%%+*}" "$(inside proxygw --version)"
inside sh -ec 'proxygw check; proxygwctl --version; getent group proxygw' >/dev/null
ok "installs on a bare Debian 12, with its Node.js"
for each in man/man8/proxygw.8.gz man/man8/proxygwctl.8.gz man/man5/proxygw.yaml.5.gz \
  bash-completion/completions/proxygwctl zsh/vendor-completions/_proxygwctl fish/vendor_completions.d/proxygwctl.fish \
  proxygw/proxygw.schema.json proxygw/grafana/proxygw.json proxygw/prometheus/alerts.yaml proxygw/systemd/hardened.conf \
  doc/proxygw/copyright doc/proxygw/changelog.gz doc/proxygw/README.md doc/proxygw/docs/install.md doc/proxygw/examples/proxygw.yaml; do
  [ -s "$root/usr/share/$each" ] || fail "there is no $each"
done
for each in bash:bash-completion/completions/ zsh:zsh/vendor-completions/_ fish:fish/vendor_completions.d/; do
  installed=$(echo "$root/usr/share/${each#*:}"proxygwctl*)
  inside proxygwctl completion "${each%%:*}" | cmp - "$installed" || fail "$installed is not what proxygwctl prints"
done
diff <(cd configs/examples && ls) <(ls "$root/usr/share/doc/proxygw/examples" | grep -v '^proxygw.yaml$') || fail "the examples are not all there"
equal "enabled" enabled "$(inside sh -c 'test -L /etc/systemd/system/multi-user.target.wants/proxygw.service && echo enabled')"
ok "brings manual pages, completions, schema, dashboard, alert rules, examples, and a unit that is enabled"

status() { inside proxygwctl status; }
ready() { if [ -e "$root/tmp/log" ]; then grep -c msg=ready "$root/tmp/log" || true; else echo 0; fi; }
start() {
  local before
  before=$(ready)
  inside sh -c 'exec proxygw >>/tmp/log 2>&1' &
  until_true "the daemon is ready" '[ "$(ready)" != "$before" ]'
  daemon=$(pgrep --ns "$holder" --nslist pid -f 'start.cjs proxygw$')
}
ended() { until_true "the daemon has ended" '! kill -0 $daemon 2>/dev/null' && daemon=; }
start
equal "the default configuration" "{}" "$(status | tr -d ' \n' | sed 's/"closed":false,\?//; s/"targets":\[\],\?//; s/"frontends":\[\]//')"
inside setpriv --reuid nobody --regid nogroup --groups proxygw proxygwctl status >/dev/null || fail "a member of the group is refused"
if inside setpriv --reuid nobody --regid nogroup --clear-groups proxygwctl status >/dev/null 2>&1; then fail "anybody is let in"; fi
if grep -E 'level=(WARN|ERROR)' "$root/tmp/log"; then fail "the daemon is not at ease"; fi
kill -TERM "$daemon" && ended
equal "rules left" "" "$(inside nft list ruleset)"
ok "starts with the configuration that it brings, which does nothing; its group may use the socket"

cat >"$root/srv/service.pl" <<'SERVICE'
use IO::Socket::INET;
$SIG{CHLD} = "IGNORE";
my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1:8080", Listen => 5, ReuseAddr => 1) or die;
while (my $client = $server->accept) { fork and next; while (<$client>) { print $client "served by $$ of ", getppid, "\n"; $client->flush } exit }
SERVICE
cat >"$root/etc/proxygw.yaml" <<'CONFIG'
version: v1
plugins: { ctl: { socket: /run/proxygw/ctl.sock, group: proxygw } }
targets:
  - name: echo
    kind: static:cmd
    endpoints: [{ name: tcp, protocol: tcp, address: 127.0.0.1:8080 }]
    options: { command: exec perl /srv/service.pl, user: nobody }
frontends:
  - { name: public-echo, kind: static:on-demand, listen: "127.0.0.1:8088", target: "echo:tcp" }
CONFIG
cp "$root/etc/proxygw.yaml" "$work/proxygw.yaml"
start
# a client that keeps its connection; nothing is to be said of it when it is killed in the end
mkfifo "$root/tmp/say" "$root/tmp/hear"
inside bash -c 'exec 3<>/dev/tcp/127.0.0.1/8088; while read -r line; do echo "$line" >&3; read -r answer <&3; echo "$answer"; done' \
  <>"$root/tmp/say" >"$root/tmp/hear" 2>/dev/null &
exec 4>"$root/tmp/say" 5<"$root/tmp/hear"
answer() {
  echo hello >&4
  read -r -t 30 line <&5 || fail "the client got no answer"
  [[ $line = "served by "* ]] || fail "the client got \"$line\""
  echo "$line"
}
first=$(answer)
ok "wakes a service for its first client ($first)"
complete='source /usr/share/bash-completion/completions/proxygwctl; COMP_WORDS=(proxygwctl warm ec) COMP_CWORD=2; _proxygwctl; echo "${COMPREPLY[*]}"'
equal "what bash completes" echo "$(inside bash -c "$complete")"
ok "completes names of targets in bash"

inside dpkg -i /tmp/next.deb >"$work/log" 2>&1 || { cat "$work/log" && fail "the upgrade"; }
kill -0 "$daemon" || fail "the upgrade has ended a daemon that it cannot start again"
equal "the connection after the upgrade" "$first" "$(answer)"
grep -q service.pl "$root/etc/proxygw.yaml" || fail "the upgrade has overwritten the configuration"
kill -USR2 "$daemon" && ended
equal "the connection without a daemon" "$first" "$(answer)"
start
status | grep -q '"state": "active"' || fail "the new daemon did not take the service over: $(status)"
equal "the connection under the new daemon" "$first" "$(answer)"
ok "is upgraded under an open connection: same service, same configuration"

inside dpkg -r proxygw >"$work/log" 2>&1 || { cat "$work/log" && fail "dpkg -r"; }
kill -QUIT "$daemon" && ended
equal "rules left" "" "$(inside nft list ruleset)"
equal "services left" "" "$(pgrep -f /srv/service.pl || true)"
[ -e "$root/etc/proxygw.yaml" ] || fail "the removal has taken the configuration along"
ok "is removed; the configuration stays"
mv "$root/srv/service.pl" "$work/service.pl"
inside dpkg -P proxygw >"$work/log" 2>&1 || { cat "$work/log" && fail "dpkg -P"; }
files >"$work/files.after"
groups >"$work/groups.after"
diff "$work/files.before" "$work/files.after" || fail "files are left"
diff "$work/groups.before" "$work/groups.after" || fail "a group is left"
ok "leaves nothing when it is purged"

# What init/container/Containerfile and the command line of docs/install.md come to, without an engine: the package in a file system
# that is read-only, as process 1 of its processes, with one capability, in a network that is another's.
inside dpkg -i /tmp/first.deb >"$work/log" 2>&1 || { cat "$work/log" && fail "dpkg -i"; }
cp "$work/service.pl" "$root/srv/service.pl"
sed -e 's/, group: proxygw//' -e 's/, user: nobody//' "$work/proxygw.yaml" >"$root/etc/proxygw.yaml"
nsenter --net="/proc/$holder/ns/net" unshare --mount --pid --fork --ipc --uts --propagation private sh -ec "
  mount --bind $root $root
  mount -t proc proc $root/proc
  mount --bind $root/proc/sys $root/proc/sys
  mount -o remount,bind,ro $root/proc/sys
  mount --rbind /dev $root/dev
  mount -t tmpfs run $root/run
  mount -o remount,bind,ro $root
  exec env -i PATH=/usr/sbin:/usr/bin chroot $root \
    setpriv --bounding-set=-all,+net_admin --inh-caps=-all --no-new-privs /usr/bin/proxygw" >"$work/contained.log" 2>&1 &
contained=$!
until_true "the contained daemon is ready" 'grep -q msg=ready "$work/contained.log" || ! kill -0 $contained'
daemon=$(pgrep -P "$contained") || { cat "$work/contained.log" && fail "the contained daemon has ended"; }
equal "its capabilities: NET_ADMIN" 0000000000001000 "$(sed -n 's/^CapEff:\t//p' "/proc/$daemon/status")"
nsenter -t "$daemon" --mount --root touch /srv/x 2>/dev/null && fail "its file system can be written to"
contained_answer=$(inside bash -c 'exec 3<>/dev/tcp/127.0.0.1/8088; echo hello >&3; read -r -t 30 line <&3; echo "$line"')
[[ $contained_answer = "served by "* ]] || { cat "$work/contained.log" && fail "the contained daemon did not wake the service"; }
kill -TERM "$daemon" && ended
equal "rules left" "" "$(inside nft list ruleset)"
if grep -E 'level=(WARN|ERROR)' "$work/contained.log"; then fail "the contained daemon is not at ease"; fi
ok "holds, wakes and stops as a container with NET_ADMIN only and a file system that is read-only"
echo "$passed passed, 0 failed"
