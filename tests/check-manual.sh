#!/bin/sh
# The manual holds every row of the option and command tables as the program has them.
source_dir=$(cd "$(dirname "$0")/.." && pwd)
moonlet=${build_dir:-$PWD}/moonlet
manual=$source_dir/docs/operations.md
status=0

commands() { "$moonlet" --help | sed -n 's/^  \([a-z]*\)  *\(.*\)/| `\1` | \2 |/p'; }

{ "$moonlet" options; commands; } >"${TMPDIR:-/tmp}/manual.$$"
trap 'rm -f "${TMPDIR:-/tmp}/manual.$$"' EXIT
while IFS= read -r row; do
  [ -n "$row" ] || continue
  grep -qxF -- "$row" "$manual" || { echo "docs/operations.md lacks: $row"; status=1; }
done <"${TMPDIR:-/tmp}/manual.$$"
exit $status
