#!/bin/bash
# Timers and states: a missed heartbeat, a debounce, cancelling, what fires again over a kill -9, and
# effects that happen once.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub sqlite3 curl
kills=2
[ -z "${TEST_LONG:-}" ] || kills=100

mkdir -p "$work/functions"
cat >"$work/functions/heart.lua" <<'LUA'
-- Each message sets the timer anew; "stop" cancels it.
return {
  on = { topic = "heart/+" },
  allow = { publish = "late/+" },
  handler = function(event, context)
    local car = context.topic:match("[^/]+$")
    if context.trigger == "timer" then
      assert(context.timer == "missed")
      local beats = state.get("beats")
      mqtt.publish("late/" .. car, ("%s after %d %s"):format(event.car, beats, context.client_id), { qos = 1 })
      state.set("beats", nil)
      assert(state.get("beats") == nil)
      return
    end
    if event == "stop" then return timer.cancel("missed") end
    state.set("beats", (state.get("beats") or 0) + 1)
    timer.set("missed", event, { car = car })
  end,
}
LUA
cat >"$work/functions/tick.lua" <<'LUA'
-- Counts for itself, a tick from the other.
return {
  on = { topic = "tick/+" },
  allow = { publish = "ticks/+" },
  handler = function(event, context)
    local car = context.topic:match("[^/]+$")
    if context.trigger ~= "timer" then return timer.set("tick", 0, { n = 1, last = event }) end
    local count = (state.get("count") or 0) + 1
    state.set("count", count)
    mqtt.publish("ticks/" .. car, count == event.n and count or event.n .. " though it is run " .. count, { qos = 1 })
    if event.n < event.last then timer.set("tick", "5ms", { n = event.n + 1, last = event.last }) end
  end,
}
LUA
cat >"$work/functions/many.lua" <<'LUA'
return {
  on = { topic = "many" },
  handler = function(event)
    for i = 1, event do timer.set("t" .. i, "1h") end
  end,
}
LUA
cat >"$work/functions/counts.lua" <<'LUA'
-- Side by side on one value: what another has changed meanwhile runs again.
return {
  on = { { topic = "count" }, { http = "POST /count" } }, order = "none", retries = 100, backoff = { first = "20ms", max = "200ms" },
  handler = function(event, context)
    local n = (state.get("n") or 0) + 1
    state.set("n", n)
    if context.trigger == "http" then return tostring(n) end
  end,
}
LUA
cat >"$work/functions/fails.lua" <<'LUA'
return {
  on = { topic = "fails" }, retries = 1,
  handler = function(event, context)
    if context.trigger == "timer" then error("no") end
    timer.set("x", 0, { n = 1 })
  end,
}
LUA
# The listener is away longer than the host is when kills follow each other fast.
start() { start_moonlet "$work/functions" --session-messages-max 100000; }
start
tell() { mosquitto_pub -p "$mqtt_port" -i "teller${3:-}" -q 1 -t "$1" -m "$2"; }
rows() { sqlite3 "file:$work/data/moonlet.db?mode=ro" "select count(*) from $1"; }
no_rows() { [ "$(rows "$1")" -eq 0 ]; }
mosquitto_sub -p "$mqtt_port" -q 1 -i listener -c -t 'late/+' -t 'ticks/+' -F '%t %p' >>"$work/heard" &
remember $!
heard_probe() { tell late/probe probe && grep -q probe "$work/heard"; }
wait_for 20 heard_probe
late() { grep -c "late/$1 " "$work/heard" || true; }

# A heartbeat that is missed, a debounce, a cancelled timer.
tell heart/a 60
for _ in 1 2; do tell heart/a 60; done
tell heart/a 1
tell heart/b 60
tell heart/b stop
wait_for 20 grep -q 'late/a a after 4 teller' "$work/heard"
same "b was cancelled" 0 "$(late b)"
wait_for 20 no_rows timer
same "timer_due is empty too" 0 "$(rows timer_due)"
tell heart/a 0.05
wait_for 20 grep -q 'late/a a after 1 teller' "$work/heard"

# Timers that set themselves, each tick once, in spite of kills.
last=$((20 * kills))
for car in 1 2 3 4 5; do tell "tick/$car" "$last" "$car"; done
tell heart/c 0.3
tell heart/d 1h
for kill in $(seq "$kills"); do
  wait_for 20 grep -q "ticks/$((kill % 5 + 1)) $((20 * kill - kill * 7 % 15 - 1))" "$work/heard"
  stop_moonlet KILL
  start
done
for car in 1 2 3 4 5; do wait_for 20 grep -q "ticks/$car $last" "$work/heard"; done
for car in 1 2 3 4 5; do
  sed -n "s,^ticks/$car ,,p" "$work/heard" | awk '!seen[$0]++' >"$work/ticks"
  seq "$last" | cmp -s - "$work/ticks" || fail "ticks of $car: $(tr '\n' ' ' <"$work/ticks")"
done
wait_for 20 grep -q 'late/c c after 1 teller' "$work/heard"
same "one timer is left" 1 "$(rows timer)"
sqlite3 "file:$work/data/moonlet.db?mode=ro" \
  "select function, ordering_key, name, json_extract(payload, '$.car'), topic from timers" >"$work/row"
same "the row can be read" 'heart|heart/d|missed|d|heart/d' "$(cat "$work/row")"
sqlite3 "file:$work/data/moonlet.db?mode=ro" \
  "select * from states where ordering_key = 'heart/d'" | sed 's/|[0-9]*|/|/' >"$work/row"
same "states too" 'heart|heart/d|beats|1' "$(cat "$work/row")"
tell heart/d stop
wait_for 20 no_rows timer

# Values that many runs change at once, and those that belong to the whole function.
seq 300 | mosquitto_pub -p "$mqtt_port" -q 1 -t count -l
for _ in 1 2 3; do curl -sf -d x "http://127.0.0.1:$http_port/count" >"$work/counted"; done
same "requests share a value" 3 "$(cat "$work/counted")"
sql_state() { sqlite3 "file:$work/data/moonlet.db?mode=ro" "select value from states where function = 'counts' and ordering_key = '$1'"; }
counted() { [ "$(sql_state count)" = 300 ]; }
wait_for 20 counted
same "of the whole function" 3 "$(sql_state '*')"

# Bounds, and what fails.
tell many 101
wait_for 20 grep -q 'more than 100 timers' "$work/moonlet.log"
tell many 100
wait_for 20 sh -c "[ \$(sqlite3 'file:$work/data/moonlet.db?mode=ro' 'select count(*) from timer') -eq 100 ]"
tell fails go
failed() { "$moonlet" failed --json --data "$work/data" | holds 'fails.lua'; }
wait_for 20 failed
wait_for 20 sh -c "[ \$(sqlite3 'file:$work/data/moonlet.db?mode=ro' 'select count(*) from timer') -eq 100 ]"
