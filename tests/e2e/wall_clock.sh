#!/usr/bin/env bash
# The host's wall clock goes back an hour, 400 days ahead, to 1970 and back to the truth, under load:
# nothing is lost, done twice or deleted, order stays, timers take as long as they take, schedules do
# not storm, and no loop is busy. TEST_LONG makes each of them twenty seconds.
. "$(dirname "$0")/lib.sh"
need python3 curl mosquitto_pub mosquitto_sub sqlite3
shim="$build_dir/tests/reliability/world.so"
[ -f "$shim" ] || skip "world.so is not built"
! grep -q asan <(ldd "$moonlet") || skip "a library before the sanitizers' is not possible"

seconds=2
[ -z "${TEST_LONG:-}" ] || seconds=20
head -c 24 /dev/zero >"$work/world"
mkdir "$work/functions"
cat >"$work/functions/count.lua" <<'LUA'
return {
  on = { topic = "in/+" }, allow = { db = { "seen", "order" } },
  handler = function(event, context)
    local last = db.get("order", { id = context.topic })
    assert(not last or last.n < event.n, "out of order")
    db.put("order", { id = context.topic, n = event.n })
    db.update("seen", { id = event.n }, function(row) row.count = (row.count or 0) + 1 return row end)
  end,
}
LUA
cat >"$work/functions/beat.lua" <<'LUA'
return {
  on = { schedule = "every 1s" }, allow = { db = "beats" },
  handler = function(tick, context) db.put("beats", { id = context.id, tick = tick.scheduled }) end,
}
LUA
cat >"$work/functions/hourly.lua" <<'LUA'
return {
  on = { schedule = "cron(0 * * * ? *)" }, allow = { db = "beats" },
  handler = function(tick, context) db.put("beats", { id = "hourly " .. context.id }) end,
}
LUA
cat >"$work/functions/alarm.lua" <<'LUA'
return {
  on = { topic = "alarm/+" }, allow = { publish = "rang/#" },
  handler = function(event, context)
    if context.trigger == "timer" then mqtt.publish("rang/x", { name = event.name }) return end
    timer.set("far", "10m")
    timer.set("near", event.after)
  end,
}
LUA
cat >"$work/functions/breaks.lua" <<'LUA'
return { on = { topic = "break/+" }, retries = 0, handler = function() error("always") end }
LUA
begun_s=$SECONDS
export TEST_WORLD="$work/world" LD_PRELOAD="$shim"
{
  echo "tables = {"
  for table in seen order beats; do echo "  $table = { key = 'id', ttl = 'expires' },"; done
  echo "}"
} >"$work/moonlet.lua"
start_moonlet "$work/functions" -c "$work/moonlet.lua"
unset LD_PRELOAD
sql() { sqlite3 -readonly "$work/data/moonlet.db" "$1"; }
metric() { curl -sf "http://127.0.0.1:$http_port/metrics" | sed -n "s/^$1 //p"; }
client=(-h 127.0.0.1 -p "$mqtt_port")

# What time could delete: an item, a dead letter, a trace, a session with its message, one retained.
"$moonlet" db put --data "$work/data" beats "{\"id\":\"kept\",\"expires\":$(($(date +%s) + 3600))}" >"$work/reply"
mosquitto_pub "${client[@]}" -q 1 -t break/1 -m '{}'
mosquitto_sub "${client[@]}" -V 5 -i sleeper -c -x 3600 -q 1 -t 'sleep/#' -E
mosquitto_pub "${client[@]}" -V 5 -q 1 -t sleep/1 -m held -D publish message-expiry-interval 3600
mosquitto_pub "${client[@]}" -V 5 -q 1 -r -t kept/1 -m retained -D publish message-expiry-interval 3600
mosquitto_sub "${client[@]}" -q 1 -t 'rang/#' >"$work/rang" &
remember $!
failed() { [ "$(sql 'SELECT count(*) FROM failed')" = 1 ]; }
wait_for 20 failed

set_wall() { python3 -c 'import mmap, struct, sys
with open(sys.argv[1], "r+b") as f: mmap.mmap(f.fileno(), 24)[8:16] = struct.pack("=q", int(sys.argv[2]))' "$work/world" "$1"; }
now_s() { date +%s; }
ticks() { awk '{ print $14 + $15 }' "/proc/$moonlet_pid/stat"; }

# A load of numbered messages: two a tenth of a second, QoS 2, each handled once.
( n=0; while [ ! -f "$work/enough" ]; do n=$((n + 1)); printf '{"n":%d}\n' $n; echo $n >"$work/sent"; sleep 0.05; done ) |
  mosquitto_pub "${client[@]}" -q 2 -i load -t in/load -l &
load=$!
remember "$load"

hour=3600000
for jump in "-$hour" $((400 * 24 * hour)) "-$(($(now_s) * 1000))" 0; do
  mosquitto_pub "${client[@]}" -q 1 -t "alarm/$jump" -m "{\"after\":\"1500ms\",\"name\":\"$jump\"}"
  before=$(lines "$work/rang")
  used=$(ticks) begun=$(date +%s%N)
  set_wall "$jump"
  sleep "$seconds"
  took=$((($(date +%s%N) - begun) / 1000000))
  used=$((($(ticks) - used) * 1000 / $(getconf CLK_TCK)))
  [ "$used" -lt $((took * 6 / 10 + 500)) ] || fail "jump $jump: $used ms of processor in $took ms"
  wait_for 20 at_least "$work/rang" $((before + 1))
  echo "wall clock by $jump ms: $used ms of processor in $took ms, $(sql "SELECT count(*) FROM item WHERE value LIKE '%tick%'") beats"
done
touch "$work/enough"
wait "$load" || fail "the publisher: $?"
sent=$(cat "$work/sent")
handled() { [ "$(sql "SELECT count(*) FROM item WHERE value LIKE '%count%'")" = "$sent" ]; }
wait_for 30 handled
same "handled more than once" 0 "$(sql "SELECT count(*) FROM item WHERE json_extract(value, '\$.count') > 1")"
same "dead letters" 1 "$(sql 'SELECT count(*) FROM failed')"
same "the item with a time to live" 1 "$(sql "SELECT count(*) FROM item WHERE value LIKE '%kept%'")"
same "far timers" 4 "$(sql 'SELECT count(*) FROM timer')"
same "alarms that rang" 4 "$(lines "$work/rang")"
beats=$(sql "SELECT count(*) FROM item WHERE value LIKE '%tick%'")
most=$((SECONDS - begun_s + 60))
[ "$beats" -ge $((seconds * 2)) ] && [ "$beats" -le "$most" ] || fail "$beats beats"
hourly=$(sql "SELECT count(*) FROM item WHERE value LIKE '%hourly%'")
[ "$hourly" -le 5 ] || fail "$hourly hourly ticks"
mosquitto_sub "${client[@]}" -V 5 -i sleeper -c -x 3600 -q 1 -t 'sleep/#' -C 1 -W 120 >"$work/held"
same "the message of a session" held "$(cat "$work/held")"
mosquitto_sub "${client[@]}" -t kept/1 -C 1 -W 120 >"$work/held"
same "the retained message" retained "$(cat "$work/held")"
"$moonlet" trace --data "$work/data" >"$work/traces"
grep -q breaks "$work/traces" || fail "the trace is gone"
stop_moonlet
same "exit status" 0 "$moonlet_status"
"$moonlet" verify --data "$work/data"
