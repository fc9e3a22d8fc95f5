#!/bin/bash
# Functions that follow shadows: changes by devices, by the command line and by other functions,
# each once and in order, across a kill -9.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub

mkdir -p "$work/functions"
# Puts what it is told on a topic, one line each.
cat >"$work/functions/follow.lua" <<'LUA'
return {
  on = { { shadow = "car-*", changes = { "update", "delta", "delete" } },
         { shadow = "car-*", name = "*", changes = { "update" } } },
  allow = { publish = "seen/+" },
  handler = function(event, context)
    assert(context.trigger == "shadow" and context.topic == event.thing)
    local before = event.previous and event.previous.state.reported
    local now = event.current and event.current.state.reported
    mqtt.publish("seen/" .. event.thing, table.concat({ event.kind, event.name or "classic",
      tostring(before and before.n), tostring(now and now.n),
      event.delta and "delta " .. tostring(event.delta.n) or "no delta" }, " "), { qos = 1 })
  end,
}
LUA
cat >"$work/functions/change.lua" <<'LUA'
return {
  on = { topic = "change/+" },
  allow = { shadow = "car-*" },
  handler = function(event, context)
    shadow.update(context.topic:sub(8), { reported = { n = event } })
  end,
}
LUA
# A function that its own update runs again ends at the bound.
cat >"$work/functions/echo.lua" <<'LUA'
return {
  on = { shadow = "loop" },
  allow = { shadow = "loop" },
  handler = function(event) shadow.update("loop", { reported = { n = event.current.state.reported.n + 1 } }) end,
}
LUA
mkdir -p "$work/wrong"
refused() {
  echo "return { on = { $1 }, handler = function() end }" >"$work/wrong/wrong.lua"
  "$moonlet" check "$work/wrong" >"$work/checked" 2>&1 && fail "{ $1 } was taken"
  grep -q -- "$2" "$work/checked" || fail "{ $1 }: $(cat "$work/checked")"
}
refused 'shadow = 7' 'shadow is the name of a thing'
refused 'shadow = "car", changes = { "updates" }' 'changes is a list of'
refused 'shadow = "car", changes = {}' 'changes is a list of'
refused 'shadow = "car", name = 7' "name is a shadow's name"
refused 'shadow = "car", thing = "x"' 'has no key "thing"'

start_moonlet "$work/functions"
shadow() { "$moonlet" shadow "$@" --data "$work/data" >/dev/null; }
tell() { mosquitto_pub -p "$mqtt_port" -q 1 -t "$1" -m "$2"; }
listen() {
  mosquitto_sub -p "$mqtt_port" -q 1 -i listener -c -t 'seen/+' >>"$work/heard" &
  remember $!
}
heard_probe() { tell seen/probe probe && grep -q probe "$work/heard"; }
listen
wait_for 20 heard_probe
heard() { grep -v probe "$work/heard" | sed -n "${1}p"; }
told() { [ "$(grep -vc probe "$work/heard")" -ge "$1" ]; }

tell '$aws/things/car-1/shadow/update' '{"state":{"reported":{"n":1}}}'
shadow update car-1 '{"state":{"reported":{"n":2}}}'
tell change/car-1 3
tell '$aws/things/car-1/shadow/update' '{"state":{"desired":{"n":7}}}'
tell '$aws/things/car-1/shadow/name/trip/update' '{"state":{"reported":{"n":9}}}'
tell '$aws/things/bus-1/shadow/update' '{"state":{"reported":{"n":1}}}'
shadow delete car-1
wait_for 20 told 6
same "a device's update" "update classic nil 1 no delta" "$(heard 1)"
same "the command line's update" "update classic 1 2 no delta" "$(heard 2)"
same "a function's update" "update classic 2 3 no delta" "$(heard 3)"
same "a delta" "delta classic 3 3 delta 7" "$(heard 4)"
same "a named shadow" "update trip nil 9 no delta" "$(heard 5)"
same "a delete" "delete classic 3 nil no delta" "$(heard 6)"

tell '$aws/things/loop/shadow/update' '{"state":{"reported":{"n":1}}}'
wait_for 20 grep -q 'change of shadow loop triggers no more' "$work/moonlet.log"

# Many updates, killed in the midst: each that was acknowledged is told, in order, at least once,
# and what the function publishes for it once in the store's order.
for n in $(seq 60); do tell '$aws/things/car-2/shadow/update' "{\"state\":{\"reported\":{\"n\":$n}}}" || break; done &
sender=$!
wait_for 20 grep -q 'update classic 19 20 ' "$work/heard"
stop_moonlet KILL
wait $sender || true
start_moonlet "$work/functions"
last=$("$moonlet" shadow get car-2 --data "$work/data" | tr -d '[:space:]' | sed 's/.*"n":\([0-9][0-9]*\).*/\1/')
wait_for 20 grep -q "update classic $((last - 1)) $last " "$work/heard"
for n in $(seq 2 "$last"); do
  grep -q "update classic $((n - 1)) $n " "$work/heard" || fail "the change to $n was not told"
done
heard '7,$' | sed -n 's/^update classic [0-9]* \([0-9]*\) no delta/\1/p' | awk '!seen[$1]++' | sort -n -c ||
  fail "changes were told out of order"
