#!/bin/sh
# The benchmark, in namespaces of its own (network, mounts, processes: all that it starts ends with it). Never part of the
# tests, since a busy machine is no fault of the program.
#   sudo sh test/bench/run.sh [ONLY=warm,cold,scale,storm,held,idle] [ROUNDS=5] [SHORT=1]
set -eu
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
export PATH
if [ "$(id -u)" != 0 ]; then
  echo "The benchmark makes network namespaces: run it as root (sudo make bench)." >&2
  exit 1
fi
# half an hour is twice what all of it takes on two cores
exec timeout --foreground -k 10 1800 unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private sh -c '
  ip link set lo up && mkdir -p /run/netns && mount -t tmpfs netns /run/netns && exec node_modules/.bin/tsx test/bench/main.ts run "$@"
' sh "$@"
