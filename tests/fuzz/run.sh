#!/bin/sh
# run.sh SRCDIR SECONDS TARGET...: lets libFuzzer look for that long at each target, starting from its
# corpus. What it finds that is new stays in the build tree; a failing input is named by it.
set -eu
srcdir=$1 seconds=$2
shift 2

for target; do
  name=${target##*/fuzz_}
  found=tests/fuzz/found/$name
  dictionary=$srcdir/tests/fuzz/$name.dict
  mkdir -p "$found"
  set --
  [ ! -f "$dictionary" ] || set -- "-dict=$dictionary"
  echo "== $name"
  "./$target" "-max_total_time=$seconds" -max_len=4096 -print_final_stats=1 \
    "-artifact_prefix=$found/failed-" "$@" "$found" "$srcdir/tests/fuzz/corpus/$name" 2>"$found.log" ||
    { tail -40 "$found.log"; exit 1; }
  grep -E 'number_of_executed_units|DONE' "$found.log"
done
