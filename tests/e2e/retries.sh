#!/usr/bin/env bash
# A handler that fails: retries, the dead letter with its date and error, replay after the mend; a
# looping one; functions that trigger each other without end.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub

mkdir "$work/functions"
cat >"$work/functions/flaky.lua" <<'L'
return { on = { topic = "flaky/+" }, retries = 1, backoff = { first = "20ms" }, handler = function(event) error("no good: " .. event) end }
L
cat >"$work/functions/loop.lua" <<'L'
return { on = { topic = "loop/+" }, timeout = "100ms", retries = 0, handler = function() while true do end end }
L
cat >"$work/functions/hop.lua" <<'L'
return { on = { topic = "hop" }, allow = { publish = "hop" }, handler = function() mqtt.publish("hop", "x") end }
L
start_moonlet "$work/functions"

failed() { "$moonlet" failed --data "$work/data" "$@"; }
has_failed() { failed | holds "$1"; }

# A QoS 1 message is acknowledged when its event is safe: stored for the next attempt.
today=$(date -u +%Y-%m-%d)
mosquitto_pub -p "$mqtt_port" -t flaky/1 -q 1 -m pump
mosquitto_pub -p "$mqtt_port" -t loop/1 -q 1 -m 1
wait_for 10 has_failed 'flaky.*no good: pump'
wait_for 10 has_failed 'loop.*timeout'
failed | grep flaky | holds -e "$today" -e "$(date -u +%Y-%m-%d)" || fail "no date of today in: $(failed)"
grep -q 'flaky\[.*attempt 1 failed, again' "$work/moonlet.log" || fail "the first attempt is not logged"
grep -q 'flaky\[.*attempt 2 failed, given up' "$work/moonlet.log" || fail "the end is not logged"

# Mended and replayed, the event has its effect.
stdbuf -oL mosquitto_sub -p "$mqtt_port" -d -t mended -C 1 >"$work/mended" 2>&1 &
remember $!
subscriber=$!
wait_for 10 grep -q '^Subscribed' "$work/mended"
cat >"$work/functions/flaky.lua" <<'L'
return { on = { topic = "flaky/+" }, allow = { publish = "mended" }, handler = function(event) mqtt.publish("mended", event) end }
L
wait_for 10 grep -q 'flaky serves topic flaky/+ *$' "$work/moonlet.log"
wait_for 10 bash -c "[ \$(grep -c 'flaky serves' '$work/moonlet.log') -ge 2 ]"
"$moonlet" replay --data "$work/data" --all flaky
wait_for 10 grep -q pump "$work/mended"
wait "$subscriber"
if has_failed flaky; then fail "a replayed event is still listed"; fi

# The version is a hash of the file, the trace the event's id.
"$moonlet" failed --data "$work/data" --json loop >"$work/loop.json"
python3 - "$work/loop.json" <<'P'
import json, re, sys
row = json.load(open(sys.argv[1]))[0]
assert re.fullmatch("[0-9a-f]{16}", row["version"]) and re.fullmatch("[0-9a-f]{32}", row["trace"]), row
assert row["attempt"] == 1 and row["kind"] == "event" and "timeout" in row["error"], row
P

# All of one, with its event.
failed --show "$(failed loop | cut -d' ' -f1)" >"$work/one.json"
python3 - "$work/one.json" <<'P'
import json, sys
row = json.load(open(sys.argv[1]))
event = row["event"]
assert (event["trigger"], event["subject"], event["payload"]) == ("topic", "loop/1", "1"), row
assert "timeout" in row["error"] and row["function"] == "loop" and row["attempt"] == 1, row
P
if failed --show 00 2>"$work/none"; then fail "an event that is not there was shown"; fi
grep -q 'no failed event' "$work/none" || fail "$(cat "$work/none")"

# Many of them, replayed at a rate and interrupted, then all; discarded one by one and all at once.
cat >"$work/functions/many.lua" <<'L'
return { on = { topic = "many/+" }, retries = 0, handler = function() error("not yet") end }
L
wait_for 10 grep -q 'many serves' "$work/moonlet.log"
for i in $(seq 40); do echo "$i"; done | mosquitto_pub -p "$mqtt_port" -t many/x -q 1 -l
count_failed() { [ "$(failed many | wc -l)" = "$1" ]; }
wait_for 10 count_failed 40
sed -i 's/error("not yet")/return 1/' "$work/functions/many.lua"
wait_for 10 bash -c "[ \$(grep -c 'many serves' '$work/moonlet.log') -ge 2 ]"
"$moonlet" replay --data "$work/data" --all many --rate 1/s >"$work/replay.out" 2>&1 &
replay=$!
remember "$replay"
few_left() { [ "$(failed many | wc -l)" -le 38 ]; }
wait_for 10 few_left
kill -INT "$replay"
if wait "$replay"; then fail "an interrupted replay ended well"; fi
grep -q 'interrupted' "$work/replay.out" || fail "$(cat "$work/replay.out")"
left=$(failed many | wc -l)
[ "$left" -gt 20 ] || fail "the rate was not kept: $left are left"
"$moonlet" replay --data "$work/data" --all many --rate 6000/min | holds "^$left replayed$"
count_failed 0 || fail "some are left"

sed -i 's/return 1/error("again")/' "$work/functions/many.lua"
wait_for 10 bash -c "[ \$(grep -c 'many serves' '$work/moonlet.log') -ge 3 ]"
for i in $(seq 5); do mosquitto_pub -p "$mqtt_port" -t many/x -q 1 -m "$i"; done
wait_for 10 count_failed 5
"$moonlet" discard --data "$work/data" "$(failed many | head -1 | cut -d' ' -f1)"
count_failed 4 || fail "one was not discarded"
same "discarded" "4 discarded" "$("$moonlet" discard --data "$work/data" --all many)"
count_failed 0 || fail "all were not discarded"
if "$moonlet" discard --data "$work/data" 0123 2>/dev/null; then fail "what is not there was discarded"; fi
if "$moonlet" replay --data "$work/data" --all many --rate soon 2>/dev/null; then fail "a rate of soon"; fi

# Functions that trigger each other are cut off, and say so.
mosquitto_pub -p "$mqtt_port" -t hop -m x
wait_for 10 grep -q 'triggers no more (hops_max)' "$work/moonlet.log"

stop_moonlet
same "exit status" 0 "$moonlet_status"

# More than may be kept, while the oldest leave: none too many stays, and it is told.
start_moonlet "$work/functions" --failed-max 5
{ seq 2000; sleep 1.2; seq 2000; } | mosquitto_pub -p "$mqtt_port" -t many/x -q 1 -l
few_are_kept() { [ "$(failed | wc -l)" = 5 ]; }
wait_for 10 few_are_kept
grep -q 'error function: the .* oldest failed events are gone for good' "$work/moonlet.log" || fail "nothing tells what left"
stop_moonlet
