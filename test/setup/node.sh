#!/bin/sh
# Says what is wrong when Node.js or npm is missing or too old; installs nothing.
set -eu
oldest=20.19
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  echo "Node.js $oldest or newer, with npm, is needed: on Debian 13 or newer: apt-get install nodejs npm; else see https://nodejs.org" >&2
  exit 1
fi
node -e "const [major, minor] = process.versions.node.split('.').map(Number);
const [oldMajor, oldMinor] = '$oldest'.split('.').map(Number);
process.exit(major > oldMajor || (major === oldMajor && minor >= oldMinor) ? 0 : 1)" || {
  echo "Node.js $(node --version) is too old: $oldest or newer is needed; see https://nodejs.org" >&2
  exit 1
}
