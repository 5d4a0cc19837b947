#!/bin/sh
# The soak in a network and a mount namespace of its own; see main.ts for what it takes from the environment.
cd "$(dirname "$0")/../.." || exit 1
PATH=$PATH:/usr/sbin:/sbin
export PATH
if [ "$(id -u)" != 0 ]; then
  echo "The soak makes network namespaces: run it as root (sudo make soak MINUTES=10)." >&2
  exit 1
fi
exec unshare --net --mount --propagation private sh -c '
  ip link set lo up && mkdir -p /run/netns && mount -t tmpfs netns /run/netns && exec node_modules/.bin/tsx test/soak/main.ts'
