#!/usr/bin/env bash
# A slow disk: each sync takes 200 ms, then 5 s. Keep-alives and QoS 0 go on, QoS 1 waits for its
# acknowledgement, memory is bounded, /metrics and the log tell, and nothing is lost. TEST_LONG makes
# each of the two a minute.
. "$(dirname "$0")/lib.sh"
need python3 curl
shim="$build_dir/tests/reliability/world.so"
[ -f "$shim" ] || skip "world.so is not built"
! grep -q asan <(ldd "$moonlet") || skip "a library before the sanitizers' is not possible"

seconds=3
[ -z "${TEST_LONG:-}" ] || seconds=60
head -c 24 /dev/zero >"$work/world"
mkdir "$work/functions"
cat >"$work/functions/seen.lua" <<'LUA'
return {
  on = { topic = "in/+" },
  allow = { db = "seen" },
  handler = function(event) db.put("seen", { id = event.n }) end,
}
LUA
export TEST_WORLD="$work/world" LD_PRELOAD="$shim"
start_moonlet "$work/functions"
unset LD_PRELOAD
curl -sf --unix-socket "$work/data/moonlet.sock" -X PUT http://local/v1/tables/seen -d '{"name":"seen","key":"id"}' >"$work/reply"

python3 "$tests_dir/reliability/slow_disk.py" "$mqtt_port" "$moonlet_pid" "$work/world" "$seconds" >"$work/out.log" 2>&1 &
client=$!
remember "$client"
metric() { curl -sf "http://127.0.0.1:$http_port/metrics" | sed -n "s/^$1 //p"; }
is_slow() { awk -v age="$(metric moonlet_store_commit_age_seconds)" 'BEGIN { exit !(age > 1.5) }'; }
wait_for 60 is_slow
wait_for 10 grep -q 'the disk is slow' "$work/moonlet.log"
wait "$client" || fail "$(cat "$work/out.log")"
cat "$work/out.log"
acked=$(tail -1 "$work/out.log")
[ "$(metric moonlet_store_healthy)" = 1 ] || fail "not healthy afterwards"
all_seen() { [ "$(sqlite3 -readonly "$work/data/moonlet.db" "SELECT count(*) FROM item")" = "$acked" ]; }
wait_for 60 all_seen
stop_moonlet
same "exit status" 0 "$moonlet_status"
"$moonlet" verify --data "$work/data" >"$work/out.log" || fail "$(cat "$work/out.log")"
