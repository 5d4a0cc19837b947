#!/bin/sh
# licences.sh: the licence of proxygw, and those of the npm packages that are in the programs or beside them, as text.
set -eu
cd "$(dirname "$0")/../.."
echo "The licence of proxygw:"
echo
cat LICENSE
{
  sed -n 's|.*"node_modules/\(@[^/"]*/[^/"]*\|[^@/"][^/"]*\)/.*|\1|p' build/*.meta.json
  # native packages, which are not in the programs but are loaded by them
  printf '%s\n' koffi unix-dgram bindings file-uri-to-path
} | LC_ALL=C sort -u | while read -r name; do
  for file in "node_modules/$name"/[Ll][Ii][Cc][Ee][Nn][CcSs][Ee]*; do
    if [ -f "$file" ]; then
      printf '\n\n%s\n\n' "The licence of the npm package $name:"
      cat "$file"
    fi
  done
done
