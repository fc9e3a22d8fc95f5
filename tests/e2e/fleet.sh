#!/usr/bin/env bash
# kill -9 of the host while a fleet's readings are counted in a table, whose changes announce
# services: each reading with QoS 2 counts once, none is lost with QoS 1, each tenth has exactly one
# service. TEST_LONG makes it a thousand kills and a thousand cars.
. "$(dirname "$0")/lib.sh"
need curl

kills=20
cars=200
[ -z "${TEST_LONG:-}" ] || { kills=1000; cars=1000; }

functions="$tests_dir/reliability/fleet-functions"
start_moonlet "$functions"
for table in cars services; do
  curl -sf --unix-socket "$work/data/moonlet.sock" -X PUT "http://local/v1/tables/$table" \
    -d "{\"name\":\"$table\",\"key\":\"id\"}" >"$work/reply" || fail "$(cat "$work/reply")"
done
stop_moonlet
same "exit status" 0 "$moonlet_status"

"$build_dir/tests/reliability/fleet" --kills "$kills" --cars "$cars" --seed "$(seed)" \
  --data "$work/data" --log "$work/moonlet.log" -- "$moonlet" run --functions "$functions" \
  --data "$work/data" --mqtt 127.0.0.1:0 --http off
"$moonlet" verify --data "$work/data"
