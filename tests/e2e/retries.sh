#!/usr/bin/env bash
# A handler that fails: retries, the dead letter with its date and error, replay after the mend; a
# looping one; functions that trigger each other without end.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub

mkdir "$work/functions"
cat >"$work/functions/flaky.lua" <<'L'
return { on = { topic = "flaky/+" }, retries = 1, handler = function(event) error("no good: " .. event) end }
L
cat >"$work/functions/loop.lua" <<'L'
return { on = { topic = "loop/+" }, timeout = "100ms", retries = 0, handler = function() while true do end end }
L
cat >"$work/functions/hop.lua" <<'L'
return { on = { topic = "hop" }, allow = { publish = "hop" }, handler = function() mqtt.publish("hop", "x") end }
L
start_moonlet "$work/functions"

failed() { "$moonlet" failed --data "$work/data" "$@"; }
has_failed() { failed | grep -q "$1"; }

# A QoS 1 message is acknowledged when its event is safe: stored for the next attempt.
mosquitto_pub -p "$mqtt_port" -t flaky/1 -q 1 -m pump
mosquitto_pub -p "$mqtt_port" -t loop/1 -q 1 -m 1
wait_for 10 has_failed 'flaky.*no good: pump'
wait_for 10 has_failed 'loop.*timeout'
failed | grep flaky | grep -q "$(date -u +%Y-%m-)" || fail "no date of today in: $(failed)"
grep -q 'flaky\[.*attempt 1 failed, again' "$work/moonlet.log" || fail "the first attempt is not logged"
grep -q 'flaky\[.*attempt 2 failed, given up' "$work/moonlet.log" || fail "the end is not logged"

# Mended and replayed, the event has its effect.
mosquitto_sub -p "$mqtt_port" -t mended -C 1 >"$work/mended" &
remember $!
subscriber=$!
cat >"$work/functions/flaky.lua" <<'L'
return { on = { topic = "flaky/+" }, allow = { publish = "mended" }, handler = function(event) mqtt.publish("mended", event) end }
L
wait_for 10 grep -q 'flaky serves topic flaky/+ *$' "$work/moonlet.log"
wait_for 10 bash -c "[ \$(grep -c 'flaky serves' '$work/moonlet.log') -ge 2 ]"
"$moonlet" replay --data "$work/data" --all flaky
wait_for 10 grep -q pump "$work/mended"
wait "$subscriber"
if has_failed flaky; then fail "a replayed event is still listed"; fi

# Functions that trigger each other are cut off, and say so.
mosquitto_pub -p "$mqtt_port" -t hop -m x
wait_for 10 grep -q 'triggers no more (hops_max)' "$work/moonlet.log"

stop_moonlet
same "exit status" 0 "$moonlet_status"
