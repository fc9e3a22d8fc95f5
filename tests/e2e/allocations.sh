#!/usr/bin/env bash
# The host ends at one of its allocations, or one of them fails (then it ends by itself, or a library
# does without), while a fleet's readings are counted: nothing is lost or done twice, and it starts
# again. TEST_LONG makes it a thousand allocations.
. "$(dirname "$0")/lib.sh"
need curl
shim="$build_dir/tests/reliability/world.so"
[ -f "$shim" ] || skip "world.so is not built"
! grep -q asan <(ldd "$moonlet") || skip "a library before the sanitizers' is not possible"

lives=24
[ -z "${TEST_LONG:-}" ] || lives=1000

functions="$tests_dir/reliability/fleet-functions"
start_moonlet "$functions"
for table in cars services; do
  curl -sf --unix-socket "$work/data/moonlet.sock" -X PUT "http://local/v1/tables/$table" \
    -d "{\"name\":\"$table\",\"key\":\"id\"}" >"$work/reply" || fail "$(cat "$work/reply")"
done
stop_moonlet
"$build_dir/tests/reliability/fleet" --kills "$lives" --cars 40 --seed "$(seed)" \
  --allocations "$shim" --data "$work/data" --log "$work/moonlet.log" -- "$moonlet" run --functions "$functions" \
  --data "$work/data" --mqtt 127.0.0.1:0 --http off
"$moonlet" verify --data "$work/data"
