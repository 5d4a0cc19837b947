#!/bin/sh
# netns.sh ARGUMENT...: vitest in network and mount namespaces of its own, so that no test can reach this machine's network.
cd "$(dirname "$0")/.." || exit 1
# The interpreter itself comes first: a version manager's python3 is shell scripts, which take longer than what a test starts.
python=$(python3 -c 'import os, sys; print(os.path.dirname(sys.executable))') && PATH=$python:$PATH
export PATH
exec unshare --net --mount --propagation private sh -c '
  ip link set lo up && mkdir -p /run/netns && mount -t tmpfs netns /run/netns && exec node_modules/.bin/vitest run "$@"' sh "$@"
