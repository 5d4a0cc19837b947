#!/bin/sh
# Measures, in private namespaces, and prints: never part of the tests, since a busy machine is no fault of the program.
#   sudo sh test/bench/run.sh [hold]
set -eu
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
export PATH
exec unshare --net --mount --propagation private sh -c '
  ip link set lo up && mkdir -p /run/netns && mount -t tmpfs netns /run/netns && exec node_modules/.bin/tsx "test/bench/$1.ts"
' sh "${1:-hold}"
