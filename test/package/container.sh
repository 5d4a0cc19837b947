#!/bin/bash
# container.sh: builds the image of init/container/Containerfile, and runs it by the commands of docs/install.md: with the few rights named
# there, its client in another network namespace. Called by `make test-deb`. Status 77: there can be no image or no container here.
#
#   gateway 10.76.1.1, the container's "host" ──── 10.76.1.2 namespace "client"
#           client                                eth0
#
# The images that it starts from are those of the registry. Where none can be reached, stand-ins are made of Debian's packages and of this
# machine's Node.js; like all that is built, they are put where no other program finds them.
set -eu
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
skip() {
  printf '\n%s\n\n' "!!! The tests of the container are SKIPPED: $*" >&2
  exit 77
}

# In namespaces of its own, for all that is changed of the network; the images were built outside of it.
if [ "${1:-}" != inside ]; then
  [ "$(id -u)" = 0 ] || skip "they take root"
  sh test/setup/programs.sh podman crun catatonit debootstrap unshare ip nft curl pgrep || skip "a program is missing"
  work=$(mktemp -d)
  # shellcheck disable=SC2317
  clean() {
    while umount "$work/storage/overlay" 2>/dev/null; do :; done
    rm -rf "$work"
  }
  trap clean EXIT
  trap 'exit 130' INT TERM HUP
fi
[ "${1:-}" != inside ] || work=$2

# The program, for the documents' command lines: with storage of its own; without a manager of control groups, which is not everywhere;
# within limits that any machine allows.
podman() {
  local command=$1
  shift
  case $command in
    build) set -- --isolation chroot --volume "$work/npmrc:/root/.npmrc:ro" --volume /etc/ssl/certs:/etc/ssl/certs:ro "$@" ;;
    run) set -- --cgroups disabled --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 "$@" ;;
  esac
  command podman --root "$work/storage" --runroot "$work/run" --tmpdir "$work/tmp" --cgroup-manager cgroupfs --events-backend none \
    "$command" "$@"
}
# a check of health when it is asked for, not by a timer of systemd's
export DISABLE_HC_SYSTEMD=true
passed=0
ok() {
  passed=$((passed + 1))
  echo "ok $passed - $*"
}
fail() {
  echo "FAILED: $*" >&2
  exit 1
}
equal() { [ "$2" = "$3" ] || fail "$1: expected \"$2\", got \"$3\""; }
until_true() {
  local end=$((SECONDS + 60))
  until eval "$2"; do
    [ $SECONDS -lt $end ] || { podman logs proxygw >&2 || true; fail "not within a minute: $1"; }
    sleep 0.1
  done
}
# documented COMMAND: the command line that docs/install.md gives for it
documented() { awk -v begin="podman $1 " 'index($0, begin) == 1 { on = 1 } on { print } on && !/\\$/ { exit }' docs/install.md; }

# stand_in NAME ARCHIVE LINE...: an image of an archive
stand_in() {
  local name=$1 archive=$2
  shift 2
  ln -f "$archive" "$work/base/archive.tar" 2>/dev/null || cp "$archive" "$work/base/archive.tar"
  printf '%s\n' 'FROM scratch' 'ADD archive.tar /' "$@" >"$work/base/Containerfile"
  podman build --quiet --tag "$name" "$work/base" >/dev/null
}
base_images() {
  local node bare
  if timeout 300 bash -c "$(declare -f podman); work=$work; podman pull --quiet docker.io/library/debian:bookworm-slim && podman pull --quiet docker.io/library/node:20-bookworm" >"$work/log" 2>&1; then
    return
  fi
  echo "no registry can be reached: the base images are stood in for"
  node=$(readlink -f "$(command -v node)")
  if ldd "$node" | grep -q libnode; then skip "this machine's Node.js is many files, and no other can be had"; fi
  mkdir -p "$work/base/local/bin" "$work/base/local/lib/node_modules" "$work/base/local/etc"
  bare=$(bash test/package/bare-debian.sh) || skip "there is no bare Debian to be had"
  stand_in docker.io/library/debian:bookworm-slim "$bare"
  cp "$node" "$work/base/local/bin/node"
  cp -R "$(npm root --global 2>/dev/null)/npm" "$work/base/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/base/local/bin/npm"
  # as npm has its packages here
  cp "$(npm config get globalconfig 2>/dev/null)" "$work/base/local/etc/npmrc" 2>/dev/null || true
  for file in "$(dirname "$node")/../LICENSE" /usr/share/doc/nodejs/LICENSE /usr/share/doc/nodejs/copyright; do
    if [ ! -e "$work/base/local/LICENSE" ] && grep -qs 'Node.js' "$file"; then cp "$file" "$work/base/local/LICENSE"; fi
  done
  bare=$(bash test/package/bare-debian.sh ca-certificates g++ git make python3) || skip "there is no bare Debian to be had"
  stand_in docker.io/library/node:20-bookworm "$bare" 'COPY local /usr/local/'
}

if [ "${1:-}" != inside ]; then
  mkdir -p "$work/base"
  # what npm and its user have set here, such as the registry
  if [ -e "$HOME/.npmrc" ]; then cp "$HOME/.npmrc" "$work/npmrc"; else : >"$work/npmrc"; fi
  npm ping >/dev/null 2>&1 || skip "the npm packages that are built in cannot be had"
  base_images
  eval "$(documented build)" >"$work/log" 2>&1 || { tail -40 "$work/log" >&2 && fail "the image could not be built"; }
  if grep -E '^WARN|^time=.* level=warn|will be ignored' "$work/log"; then fail "the image was built with a warning"; fi
  unshare --net --mount --propagation private bash test/package/container.sh inside "$work"
  exit
fi

mkdir -p /run/netns
mount -t tmpfs netns /run/netns
# two kinds of control groups at once are more than crun takes
[ ! -d /sys/fs/cgroup/unified ] || mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup
ip link set lo up
ip netns add client
ip link add client type veth peer name eth0 netns client
ip addr add 10.76.1.1/24 dev client
ip link set client up
ip -n client addr add 10.76.1.2/24 dev eth0
ip -n client link set eth0 up
# shellcheck disable=SC2317
stop_all() {
  podman rm --force --all >/dev/null 2>&1 || true
}
trap stop_all EXIT

podman run --rm --network host --entrypoint '["/bin/true"]' proxygw >"$work/log" 2>&1 || skip "no container can be run here: $(tail -1 "$work/log")"
equal "the version in the image" "$(sed -n 's/^  "version": "\(.*\)",/\1/p' package.json)" "$(podman run --rm --network host proxygw --version)"
ok "the image is built by the command that is documented, and has this version"

# in a directory from which the documented command finds its file
mkdir -p "$work/there/srv"
cat >"$work/there/srv/service.pl" <<'SERVICE'
use IO::Socket::INET;
$SIG{CHLD} = "IGNORE";
my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1:8080", Listen => 5, ReuseAddr => 1) or die;
while (my $client = $server->accept) { fork and next; <$client>; print $client "HTTP/1.0 200 OK\r\n\r\n", $client->peerhost, " is served by user $>"; exit }
SERVICE
# configure OPTION-OF-COMMAND CTL-OPTION [FRONTEND]
configure() {
  cat >"$work/there/proxygw.yaml" <<CONFIG
version: v1
plugins: { ctl: { socket: /run/proxygw/ctl.sock$2 } }
dataplane: { manage_sysctls: false }
targets:
  - name: echo
    kind: static:cmd
    endpoints: [{ name: tcp, protocol: tcp, address: 127.0.0.1:8080 }]
    options: { command: exec perl /srv/service.pl$1 }
frontends:
  - { name: public-echo, kind: static:on-demand, listen: "0.0.0.0:8088", target: "echo:tcp" }
  ${3:-}
CONFIG
}
# run [MORE...]: the documented command, in the background, and a service for it; less what `without` says
run() {
  local line
  line=$(documented run)
  line=${line/"${without:-}"/}
  (cd "$work/there" && eval "podman run --detach --volume ./srv:/srv:ro $* ${line#podman run}") >"$work/log" 2>&1 || { cat "$work/log" && fail "podman run"; }
}
ready() { podman logs proxygw 2>&1 | grep -q msg=ready; }
running() { [ "$(podman inspect --format '{{.State.Running}}' proxygw)" = true ]; }
ask() { ip netns exec client curl -s --max-time 60 "http://10.76.1.1:$1/"; }
# stopped: ends it as people do; what was on its log is still looked at
stopped() {
  podman stop --time 60 proxygw >/dev/null 2>&1
  equal "its status" 0 "$(podman inspect --format '{{.State.ExitCode}}' proxygw)"
  equal "rules left" "" "$(nft list ruleset)"
  if podman logs proxygw 2>&1 | grep -E 'level=(WARN|ERROR)'; then fail "the daemon is not at ease"; fi
  podman rm proxygw >/dev/null
}

configure "" ""
run
until_true "it ends for want of a sysctl" '! running'
remedy=$(podman logs proxygw 2>&1 | grep -o 'sysctl -w [a-z0-9_.]*=[0-9]*' | head -1)
[ -n "$remedy" ] || { podman logs proxygw >&2; fail "it does not name the command that sets the sysctl"; }
podman rm proxygw >/dev/null
until $remedy >/dev/null && run && until_true "it is ready, or ends" 'ready || ! running' && running; do
  next=$(podman logs proxygw 2>&1 | grep -o 'sysctl -w [a-z0-9_.]*=[0-9]*' | head -1)
  { [ -n "$next" ] && [ "$next" != "$remedy" ]; } || { podman logs proxygw >&2; fail "it does not start"; }
  remedy=$next
  podman rm proxygw >/dev/null
done
until_true "it is ready" ready
ok "it asks for the sysctls that it cannot set, and starts once they are set as it says"

main=$(pgrep -P "$(podman inspect --format '{{.State.Pid}}' proxygw)" -f start.cjs)
capabilities=$(sed -n 's/^CapEff:\t//p' "/proc/$main/status")
equal "its capabilities: NET_ADMIN" 0000000000001000 "$capabilities"
if podman exec proxygw touch /srv/x /x 2>/dev/null; then fail "its file system can be written to"; fi
equal "the answer" "10.76.1.2 is served by user 0" "$(ask 8088)"
equal "the state" active "$(podman exec proxygw proxygwctl status | sed -n 's/^ *"state": "\(active\|inactive\|warming\)".*/\1/p')"
podman healthcheck run proxygw || fail "its check of health fails"
stopped
ok "with NET_ADMIN only it holds a client's first packet, wakes the service, and leaves nothing behind"

without="--cap-add NET_ADMIN" run
until_true "it ends" '! running'
podman logs proxygw 2>&1 | grep -q NET_ADMIN || { podman logs proxygw >&2; fail "it does not say what it lacks"; }
podman rm proxygw >/dev/null
ok "without NET_ADMIN it says so, and ends"

more=$(sed -n '/^- \*\*`NET_ADMIN`\*\*/,/^- \*\*Sysctls/p' docs/install.md | grep -o '`[A-Z_]*`' | tr -d '`' | grep -v NET_ADMIN)
equal "the other capabilities that are documented" "SETUID SETGID KILL CHOWN NET_BIND_SERVICE" "$(echo $more)"
configure ", user: nobody" ", group: proxygw" \
  '- { name: page, kind: static:http, listen: "0.0.0.0:80", target: "echo:tcp", options: { content: "starting" } }'
# shellcheck disable=SC2086
run $(printf -- '--cap-add %s ' $more)
until_true "it is ready" ready
equal "the page" starting "$(ask 80)"
equal "the answer" "10.76.1.2 is served by user 65534" "$(ask 8088)"
equal "the socket's group" proxygw "$(podman exec proxygw stat -c %G /run/proxygw/ctl.sock)"
stopped
ok "with the other capabilities that are documented it has commands of other users, a page on port 80, a socket for a group"
echo "$passed passed, 0 failed"
