#!/bin/sh
# Runs @program@ with the Node.js that was installed with it, or else with the system's.
node=@pkglibdir@/node
if [ ! -x "$node" ] && ! node=$(command -v node); then
  echo "@program@: Node.js 20.19 or newer is needed, and there is no program node in PATH; see https://nodejs.org" >&2
  exit 1
fi
exec "$node" @pkglibdir@/start.cjs @program@ "$@"
