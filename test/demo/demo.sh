#!/usr/bin/env bash
# The demonstration (make demo): a service that runs only while somebody uses it. Also a test: every step is checked,
# and the exit status is 1 if one does not do what it says.
#
# Everything happens in namespaces of its own (network, mounts, processes), which end with it, so nothing is left behind:
#
#   client 192.0.2.2 ──── 192.0.2.1 gateway 198.51.100.1 ──── 198.51.100.2 service
#              eth0 · client              service · eth0
set -Eeuo pipefail
PATH=$PATH:/usr/sbin:/sbin
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

if [[ ${1-} != inside ]]; then
  if ((EUID != 0)); then
    echo "The demonstration makes network namespaces, which takes root: sudo make demo" >&2
    exit 1
  fi
  [[ -x $ROOT/build/proxygw && -x $ROOT/build/proxygwctl ]] || {
    echo "The programs are not built yet: make demo builds them." >&2
    exit 1
  }
  exec unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc bash "${BASH_SOURCE[0]}" inside
fi

# Namespaces' names, the daemon's files and its socket go here, and are gone with the mount namespace.
mount -t tmpfs demo /run
mkdir /run/netns
CONFIG=/run/proxygw.yaml
LOG=/run/proxygw.log
IDLE_MS=2000

if [[ -t 1 && -z ${NO_COLOR-} ]]; then BOLD=$'\e[1m' DIM=$'\e[2m' PLAIN=$'\e[0m'; else BOLD='' DIM='' PLAIN=''; fi

micros() { echo "${EPOCHREALTIME/[.,]/}"; }
START=$(micros)
now() { echo $((($(micros) - START) / 1000)); }

# say WHO WHAT: a line of the timeline
say() { printf '%6d ms  %s%-8s%s %s\n' "$(now)" "$BOLD" "$1" "$PLAIN" "$2"; }
note() { printf '%10s %-8s %s%s%s\n' '' '' "$DIM" "$1" "$PLAIN"; }

fail() {
  trap - ERR
  echo >&2
  echo "The demonstration failed: $1" >&2
  if [[ -s $LOG ]]; then
    echo "The last lines of proxygw's log:" >&2
    tail -n 15 "$LOG" >&2
  fi
  exit 1
}
trap 'fail "unexpected error in line $LINENO: $BASH_COMMAND"' ERR
trap 'exit 130' INT TERM

# await SECONDS WHAT COMMAND...: until the command succeeds
await() {
  local end=$(($(now) + $1 * 1000)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    (($(now) < end)) || fail "$what"
    sleep 0.01
  done
}

on() { ip netns exec "$@"; }
has_log() { grep -q -- "$1" "$LOG"; }
service_runs() { [[ -n $(ip netns pids service) ]]; }
proxygwctl() { "$ROOT/build/proxygwctl" --config "$CONFIG" "$@"; }

# field EXPRESSION: of the status of the target `web` and of the frontend `http`
field() {
  proxygwctl status | node -e 'const { targets: [web], frontends: [http] } = JSON.parse(require("fs").readFileSync(0, "utf8")); console.log('"$1"')'
}

make_hosts() {
  local host
  for host in client gateway service; do
    ip netns add $host
    ip -n $host link set lo up
  done
  connect client 192.0.2
  connect service 198.51.100
  # a new namespace may take this over from the machine; that proxygw switches it on, and off again, is to be seen
  on gateway sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
}

# connect HOST NET: the host has .2, the gateway .1
connect() {
  ip -n gateway link add "$1" type veth peer name eth0 netns "$1"
  ip -n gateway addr add "$2.1/24" dev "$1"
  ip -n gateway link set "$1" up
  ip -n "$1" addr add "$2.2/24" dev eth0
  ip -n "$1" link set eth0 up
  ip -n "$1" route add default via "$2.1"
}

# the client's request; sets TOOK (ms) and STATUS
get() {
  local result seconds
  result=$(on client curl -sS --max-time 15 -o /run/body -w '%{http_code} %{time_total}' http://192.0.2.1/ 2>/run/curl-error) ||
    fail "the client got no answer: $(cat /run/curl-error)"
  STATUS=${result% *}
  seconds=${result#* }
  TOOK=$((10#${seconds/.} / 1000))
  [[ $STATUS == 200 ]] || fail "the client got HTTP status $STATUS instead of 200"
  [[ $(cat /run/body) == "hello 192.0.2.2" ]] || fail "the service did not see the client's address: it answered \"$(cat /run/body)\""
}

# awaits the stop for idleness, COUNT-th of the demonstration; sets QUIET, the ms since SINCE
await_idle_stop() {
  await 30 "the idle service was not stopped" stopped_times "$1"
  QUIET=$(($(now) - SINCE))
  ((QUIET >= IDLE_MS - 100)) || fail "the service was stopped after $QUIET ms already, not after $IDLE_MS ms"
  service_runs && fail "the service still runs, though its target is inactive"
  return 0
}
stopped_times() { (($(grep -c 'from=draining to=inactive' "$LOG") >= $1)); }

cat >$CONFIG <<END
version: v1
log: { output: $LOG }
plugins: { ctl: { socket: /run/proxygw.sock } }
targets:
  - name: web
    kind: static:cmd
    idle_timeout: ${IDLE_MS}ms
    endpoints:
      - { name: http, protocol: tcp, address: "198.51.100.2:80" }
      - { name: datagram, protocol: udp, address: "198.51.100.2:7" }
    options: { command: "exec ip netns exec service python3 $ROOT/test/demo/service.py" }
frontends:
  - { name: public-http, kind: static:on-demand, listen: "192.0.2.1:80", target: "web:http" }
  - { name: public-datagram, kind: static:on-demand, listen: "192.0.2.1:7", target: "web:datagram", flow_timeout: 10s }
END

cat <<END
${BOLD}proxygw: a service that runs only while somebody uses it${PLAIN}

  client 192.0.2.2 ──── 192.0.2.1 gateway 198.51.100.1 ──── 198.51.100.2 service

Three hosts, played by network namespaces of this machine. Clients know the address of the gateway, where proxygw
listens. The service is a Python program that takes a second to start. It is to be stopped after $IDLE_MS ms without
traffic.

END

make_hosts
START=$(micros)

say gateway "proxygw starts"
ip netns exec gateway "$ROOT/build/proxygw" --config $CONFIG 2>>$LOG &
DAEMON=$!
await 60 "proxygw was not ready within 60 s" has_log 'msg=ready'
on gateway nft list table inet proxygw >/dev/null || fail "there is no table of proxygw's in the kernel"
service_runs && fail "the service runs before anybody wants it"
say gateway "proxygw is ready; the service is stopped: no process of it runs"
echo

say client "curl http://192.0.2.1/"
get
((TOOK >= 900)) || fail "the first request took $TOOK ms only: the service cannot have been stopped"
say client "HTTP $STATUS after ${BOLD}$TOOK ms${PLAIN}, the time that the service needed to start"
note "The client's first packet woke the service, waited in the kernel, and went on to it."
await 30 "the service's log does not show the client's address" has_log 'request from 192.0.2.2'
say service "its own log: \"request from 192.0.2.2\", the client's true address"
get
SINCE=$(now)
say client "curl again: HTTP $STATUS after ${BOLD}$TOOK ms${PLAIN}; such packets stay in the kernel, proxygw does not see them"
((TOOK < 500)) || fail "the second request took $TOOK ms"
echo

[[ $(field web.state) == active ]] || fail "proxygwctl says that the target is not active"
say gateway "proxygwctl status, shortened:"
# shellcheck disable=SC2016
field '`target web            state: ${web.state}
  last_wake           source: ${web.last_wake.source}  frontend: ${web.last_wake.frontend}  took_ms: ${web.last_wake.took_ms}
frontend public-http  state: ${http.state}  listen: ${http.listen}  proxyaddress: ${http.proxyaddress}`' | sed 's/^/                      /'
echo

say client "is quiet from now on"
await_idle_stop 1
say gateway "the service is ${BOLD}stopped, $QUIET ms${PLAIN} after the last request; no process of it runs"
[[ $(field web.state) == inactive ]] || fail "proxygwctl says that the target is not inactive"
echo

say client "sends a UDP datagram to 192.0.2.1:7"
SINCE=$(now)
ANSWER=$(on client bash -c 'exec 3<>/dev/udp/192.0.2.1/7 && echo hi >&3 && timeout 60 head -n 1 <&3') ||
  fail "the datagram was not answered"
TOOK=$(($(now) - SINCE))
[[ $ANSWER == "hello 192.0.2.2" ]] || fail "the datagram was answered with \"$ANSWER\""
say client "its answer is there after ${BOLD}$TOOK ms${PLAIN}: datagrams wake and wait just so"
get
say client "curl: HTTP $STATUS after ${BOLD}$TOOK ms${PLAIN}; the service is up for both"
echo

say gateway "proxygw is told to end (SIGTERM)"
SINCE=$(now)
kill -TERM $DAEMON
EXIT=0
wait $DAEMON || EXIT=$?
TOOK=$(($(now) - SINCE))
((EXIT == 0)) || fail "proxygw ended with status $EXIT"
service_runs && fail "the service outlived proxygw's end"
TABLES=$(on gateway nft list tables)
[[ -z $TABLES ]] || fail "proxygw left in the kernel: $TABLES"
[[ $(on gateway cat /proc/sys/net/ipv4/ip_forward) == 0 ]] || fail "proxygw left IP forwarding switched on"
[[ ! -e /run/proxygw.sock ]] || fail "proxygw left its socket"
say gateway "ended after $TOOK ms: service stopped, nftables table gone, IP forwarding off again as before"
