#!/bin/bash
# Timers and states: a missed heartbeat, a debounce, cancelling, what fires again over a kill -9, and
# effects that happen once.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub sqlite3

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
    if context.trigger ~= "timer" then return timer.set("tick", 0, 1) end
    local count = (state.get("count") or 0) + 1
    state.set("count", count)
    mqtt.publish("ticks/" .. car, count == event and event or event .. " though it is run " .. count, { qos = 1 })
    if event < 40 then timer.set("tick", "5ms", event + 1) end
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
cat >"$work/functions/fails.lua" <<'LUA'
return {
  on = { topic = "fails" }, retries = 1,
  handler = function(event, context)
    if context.trigger == "timer" then error("no") end
    timer.set("x", 0, { n = 1 })
  end,
}
LUA
start_moonlet "$work/functions"
tell() { mosquitto_pub -p "$mqtt_port" -i "teller${3:-}" -q 1 -t "$1" -m "$2"; }
rows() { sqlite3 "file:$work/data/moonlet.db?mode=ro" "select count(*) from $1"; }
no_rows() { [ "$(rows "$1")" -eq 0 ]; }
mosquitto_sub -p "$mqtt_port" -q 1 -i listener -c -t 'late/+' -t 'ticks/+' -F '%t %p' >>"$work/heard" &
remember $!
heard_probe() { tell late/probe probe && grep -q probe "$work/heard"; }
wait_for 5 heard_probe
late() { grep -c "late/$1 " "$work/heard" || true; }

# A heartbeat that is missed, a debounce, a cancelled timer.
tell heart/a 1
for _ in 1 2 3; do tell heart/a 1; done
tell heart/b 0.2
tell heart/b stop
wait_for 10 grep -q 'late/a a after 4 teller' "$work/heard"
same "b was cancelled" 0 "$(late b)"
wait_for 10 no_rows timer
same "timer_due is empty too" 0 "$(rows timer_due)"
tell heart/a 0.05
wait_for 10 grep -q 'late/a a after 1 teller' "$work/heard"

# Timers that set themselves, each tick once, in spite of kills.
for car in 1 2 3 4 5; do tell "tick/$car" go "$car"; done
wait_for 10 grep -q 'ticks/3 12' "$work/heard"
tell heart/c 0.3
tell heart/d 1h
stop_moonlet KILL
start_moonlet "$work/functions"
wait_for 10 grep -q 'ticks/4 30' "$work/heard"
stop_moonlet KILL
start_moonlet "$work/functions"
for car in 1 2 3 4 5; do wait_for 20 grep -q "ticks/$car 40" "$work/heard"; done
for car in 1 2 3 4 5; do
  sed -n "s,^ticks/$car ,,p" "$work/heard" | awk '!seen[$0]++' >"$work/ticks"
  seq 40 | cmp -s - "$work/ticks" || fail "ticks of $car: $(tr '\n' ' ' <"$work/ticks")"
done
wait_for 10 grep -q 'late/c c after 1 teller' "$work/heard"
same "one timer is left" 1 "$(rows timer)"
sqlite3 "file:$work/data/moonlet.db?mode=ro" \
  "select function, ordering_key, name, json_extract(payload, '$.car'), topic from timers" >"$work/row"
same "the row can be read" 'heart|heart/d|missed|d|heart/d' "$(cat "$work/row")"
sqlite3 "file:$work/data/moonlet.db?mode=ro" \
  "select * from states where ordering_key = 'heart/d'" | sed 's/|[0-9]*|/|/' >"$work/row"
same "states too" 'heart|heart/d|beats|1' "$(cat "$work/row")"
tell heart/d stop
wait_for 10 no_rows timer

# Bounds, and what fails.
tell many 101
wait_for 10 grep -q 'more than 100 timers' "$work/moonlet.log"
tell many 100
wait_for 10 sh -c "[ \$(sqlite3 'file:$work/data/moonlet.db?mode=ro' 'select count(*) from timer') -eq 100 ]"
tell fails go
failed() { "$moonlet" failed --json --data "$work/data" | grep -q 'fails.lua'; }
wait_for 10 failed
wait_for 10 sh -c "[ \$(sqlite3 'file:$work/data/moonlet.db?mode=ro' 'select count(*) from timer') -eq 100 ]"
