#!/bin/bash
# Kills the host again and again while shadows change and clients come and go: functions that follow
# them see each change once and in its order.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub sqlite3
kills=4
[ -z "${TEST_LONG:-}" ] || kills=100

mkdir -p "$work/functions"
cat >"$work/functions/shadows.lua" <<'LUA'
return {
  on = { shadow = "car-*" }, retries = 0,
  handler = function(event)
    local seen = state.get("version") or 0
    assert(event.current.version == seen + 1, ("version %d behind %d"):format(event.current.version, seen))
    state.set("version", event.current.version)
  end,
}
LUA
cat >"$work/functions/change.lua" <<'LUA'
return {
  on = { topic = "change/+" }, allow = { shadow = "car-*" },
  handler = function(event, context) shadow.update(context.topic:sub(8), { reported = { n = event } }) end,
}
LUA
cat >"$work/functions/clients.lua" <<'LUA'
return {
  on = { presence = "*", client = "device-*" }, retries = 0,
  handler = function(event)
    local known = state.get("session")
    if event.eventType == "connected" then
      assert(known == nil, "connected though connected")
      state.set("session", event.sessionIdentifier)
      state.set("count", (state.get("count") or 0) + 1)
    else
      assert(known == event.sessionIdentifier, "another session ends")
      state.set("session", nil)
    end
  end,
}
LUA
start_moonlet "$work/functions"

devices=()
for n in 1 2 3; do
  (set +e
  until [ -e "$work/enough" ]; do
    seq 100 | sed 's/.*/{"state":{"reported":{"n":&}}}/' |
      timeout 10 mosquitto_pub -p "$mqtt_port" -i "device-$n" -q 1 -t "\$aws/things/car-$n/shadow/update" -l
    seq 50 | timeout 10 mosquitto_pub -p "$mqtt_port" -i "other-$n" -q 1 -t "change/car-$n" -l
  done) >/dev/null 2>&1 &
  devices+=($!)
done
remember "${devices[@]}"

sql() { sqlite3 -readonly "$work/data/moonlet.db" ".timeout 5000" "$1" 2>/dev/null; }
changes() { sql "select coalesce(sum(json_extract(value, '$.version')), 0) from shadow"; }
has_gone_on() { [ "$(changes)" -gt "$1" ]; }
for round in $(seq "$kills"); do
  wait_for 20 has_gone_on "$(($(changes) + round * 67 % 200))"
  stop_moonlet KILL
  cat "$work/moonlet.log" >>"$work/all"
  start_moonlet "$work/functions"
done
touch "$work/enough"
for pid in "${devices[@]}"; do wait "$pid" || true; done
cat "$work/moonlet.log" >>"$work/all"

is_quiet() { [ "$(sql 'select count(*) from queue')" = 0 ] && [ "$(sql 'select count(*) from presence')" = 0 ]; }
wait_for 20 is_quiet
grep 'given up' "$work/all" >"$work/wrong" && fail "$(head -3 "$work/wrong")"
same "what was seen is what there is" "$(sql "select key, json_extract(value, '$.version') from shadow order by 1")" \
  "$(sql "select ordering_key, value from states where function = 'shadows' order by 1")"
same "nobody is there any more" "" "$(sql "select ordering_key from states where name = 'session'")"
[ "$(sql "select sum(value) from states where name = 'count'")" -ge 3 ] || fail "the clients did not come and go"
