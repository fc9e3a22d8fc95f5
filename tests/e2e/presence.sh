#!/bin/bash
# Clients that come and go: functions and AWS IoT's lifecycle messages, each once and in order, and
# what a kill -9 cut off.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub sqlite3

mkdir -p "$work/functions" "$work/wrong"
refused() {
  echo "return { on = { $1 }, handler = function() end }" >"$work/wrong/wrong.lua"
  "$moonlet" check "$work/wrong" >"$work/checked" 2>&1 && fail "{ $1 } was taken"
  grep -q -- "$2" "$work/checked" || fail "{ $1 }: $(cat "$work/checked")"
}
refused 'presence = "gone"' 'presence is "connected", "disconnected" or "\*"'
refused 'presence = "*", client = 7' "client is a client's identifier"
refused 'presence = "*", topic = "x"' 'has no key "topic"\|a topic trigger has no other keys'

cat >"$work/functions/follow.lua" <<'LUA'
return {
  on = { presence = "*", client = "car-*" },
  allow = { publish = "seen/+" },
  handler = function(event, context)
    assert(context.trigger == "presence" and context.client_id == event.clientId)
    local known = state.get("session")
    if event.eventType == "connected" then
      state.set("session", event.sessionIdentifier)
    else
      assert(known == event.sessionIdentifier, "another session ends")
      state.set("session", nil)
    end
    state.set("n", (state.get("n") or 0) + 1)
    mqtt.publish("seen/" .. event.clientId, table.concat({ state.get("n"), event.eventType, event.ipAddress,
      event.principalIdentifier, tostring(event.disconnectReason), tostring(event.clientInitiatedDisconnect) }, " "),
      { qos = 1 })
  end,
}
LUA
start_moonlet "$work/functions"
listen() {
  mosquitto_sub -p "$mqtt_port" -q 1 -i listener -c -t 'seen/+' -t '$aws/events/#' -F '%t %p' >>"$work/heard" &
  remember $!
}
tell() { mosquitto_pub -p "$mqtt_port" -q 1 -t "$1" -m "$2" "${@:3}"; }
heard_probe() { tell seen/probe probe && grep -q probe "$work/heard"; }
heard() { grep -q -- "$1" "$work/heard"; }
rows() { sqlite3 "file:$work/data/moonlet.db?mode=ro" "select count(*) from presence where key = 'car-$1' or key = cast('car-$1' as blob)"; }
is_present() { [ "$(rows "$1")" -eq 1 ]; }
is_absent() { [ "$(rows "$1")" -eq 0 ]; }
listen
wait_for 20 heard_probe

# Nobody but the host says who is there.
mosquitto_pub -V 5 -p "$mqtt_port" -q 1 -t '$aws/events/presence/connected/forged' -m forged >"$work/forged" 2>&1 || true
grep -qi 'not authorized' "$work/forged" || fail "a forged event: $(cat "$work/forged")"
mosquitto_sub -V 5 -p "$mqtt_port" -t x -W 60 --will-topic '$aws/events/presence/connected/forged' --will-payload x \
  >"$work/forged" 2>&1 && fail "a forged will was taken"
heard forged && fail "a forged event was delivered"

# One that says goodbye.
tell x x -i car-1 -u fritz
wait_for 20 heard 'seen/car-1 1 connected 127.0.0.1 fritz nil nil'
wait_for 20 heard 'seen/car-1 2 disconnected 127.0.0.1 fritz CLIENT_INITIATED_DISCONNECT true'
wait_for 20 heard '$aws/events/presence/connected/car-1 {"clientId":"car-1","timestamp":[0-9]*,"eventType":"connected","sessionIdentifier":"[0-9a-f]\{32\}","principalIdentifier":"fritz","ipAddress":"127.0.0.1","versionNumber":[0-9]*}'
wait_for 20 heard '$aws/events/presence/disconnected/car-1 .*"versionNumber":[0-9]*,"clientInitiatedDisconnect":true,"disconnectReason":"CLIENT_INITIATED_DISCONNECT"}'
same "what connected and what disconnected is one session" 1 \
  "$(grep -o 'presence/.*/car-1 .*' "$work/heard" | grep -o '"sessionIdentifier":"[^"]*"' | sort -u | wc -l)"
wait_for 20 is_absent 1

# One that is cut off, one that is taken over.
start_car() { mosquitto_sub -p "$mqtt_port" -q 1 -i "car-$1" -t 'orders/#' -t other >/dev/null 2>&1 & car_pid=$!; remember $car_pid; }
start_car 2
wait_for 20 heard 'seen/car-2 1 connected'
wait_for 20 heard '$aws/events/subscriptions/subscribed/car-2 .*"eventType":"subscribed".*"topics":\["orders/#","other"\]}'
wait_for 20 is_present 2
kill -9 "$car_pid"
wait_for 20 heard 'seen/car-2 2 disconnected 127.0.0.1  CONNECTION_LOST false'
start_car 3
wait_for 20 heard 'seen/car-3 1 connected'
tell x x -i car-3
wait_for 20 heard 'seen/car-3 2 disconnected 127.0.0.1  DUPLICATE_CLIENTID false'
wait_for 20 heard 'seen/car-3 3 connected'
kill -9 "$car_pid"

# Connected while the host is killed: the next run says that they are gone.
start_car 4
wait_for 20 heard 'seen/car-4 1 connected'
kill -STOP "$car_pid"
stop_moonlet KILL
start_moonlet "$work/functions"
wait_for 20 heard 'seen/car-4 2 disconnected 127.0.0.1  SERVER_ERROR false'
wait_for 20 heard '$aws/events/presence/disconnected/car-4 .*SERVER_ERROR'
wait_for 20 is_absent 4
kill -CONT "$car_pid"
wait_for 20 heard 'seen/car-4 3 connected'

# A client that was there before the function that follows it.
mosquitto_sub -p "$mqtt_port" -q 1 -i bus-1 -t x >/dev/null 2>&1 &
bus_pid=$!
remember $bus_pid
wait_for 20 heard 'presence/connected/bus-1'
cat >"$work/functions/buses.lua" <<'LUA'
return {
  on = { presence = "disconnected", client = "bus-*" },
  allow = { publish = "seen/+" },
  handler = function(event) mqtt.publish("seen/" .. event.clientId, event.disconnectReason, { qos = 1 }) end,
}
LUA
bus_is_present() { [ "$(sqlite3 "file:$work/data/moonlet.db?mode=ro" "select count(*) from presence where key = 'bus-1'")" -eq 1 ]; }
wait_for 20 bus_is_present
kill -STOP "$bus_pid"
stop_moonlet KILL
start_moonlet "$work/functions"
wait_for 20 heard 'seen/bus-1 SERVER_ERROR'
kill -9 "$bus_pid"

wait_for 20 heard 'seen/car-4 5 connected'

# The same where it was stopped in good order.
stop_moonlet TERM
start_moonlet "$work/functions"
wait_for 20 heard 'seen/car-4 6 disconnected'
wait_for 20 heard 'seen/car-4 7 connected'
