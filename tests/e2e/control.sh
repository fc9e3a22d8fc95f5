#!/bin/bash
# The commands that talk to a running host over its control socket.
. "$(dirname "$0")/lib.sh"
need python3

functions=$work/functions
mkdir -p "$functions"
cat >"$functions/double.lua" <<'LUA'
return {
  on = { topic = "in/+" },
  allow = { publish = "out/+" },
  handler = function(event, context)
    log.info("doubling " .. event.n)
    mqtt.publish("out/" .. context.topic:match("[^/]+$"), { n = 2 * event.n })
    return { n = 2 * event.n }
  end,
}
LUA
cat >"$functions/poison.lua" <<'LUA'
return { on = { topic = "poison/#" }, retries = 0, handler = function() error("no luck") end }
LUA
start_moonlet "$functions"
run() { "$moonlet" "$@" --data "$work/data"; }
field() { python3 -c 'import json, sys; v = json.load(sys.stdin)
for k in sys.argv[1:]: v = v[int(k) if k.isdigit() else k]
print(v if isinstance(v, str) else json.dumps(v))' "$@"; }
api() { curl -sS -m 120 --unix-socket "$work/data/moonlet.sock" "http://moonlet$1" "${@:2}"; }

same "modes of the database" "640 640" "$(stat -c %a "$work/data/moonlet.db" "$work/data/moonlet.db-wal" | paste -sd " ")"
same "mode of the socket" 600 "$(stat -c %a "$work/data/moonlet.sock")"

# Messages in and out. What is sent until the subscription stands is not heard.
run sub 'out/#' --json -n 1 >"$work/heard" &
remember $!
heard() { run pub in/car '{"n":21}' --qos 1 && test -s "$work/heard"; }
wait_for 5 heard
same "topic" out/car "$(field topic <"$work/heard")"
same "payload" '{"n":42}' "$(field payload <"$work/heard")"

# What runs.
same "functions" '["double", "poison"]' "$(run ls --json | python3 -c 'import json, sys; print(json.dumps(sorted(f["name"] for f in json.load(sys.stdin))))')"
run ls | holds 'topic in/+' || fail "ls without the topic: $(run ls)"
api /v1/workers | python3 -c 'import json, sys; assert len(json.load(sys.stdin)) >= 1' || fail "workers"

# Logs, read and followed.
wait_for 5 sh -c "'$moonlet' logs double --data '$work/data' | grep -q 'doubling 21'"
run logs double --follow >"$work/followed" &
remember $!
wait_for 5 grep -q 'doubling 21' "$work/followed"
run pub in/car '{"n":4}'
wait_for 5 grep -q 'doubling 4' "$work/followed"

# Invoking by hand.
printf '{"n":5}' >"$work/event.json"
run invoke double "$work/event.json" --topic in/x --json >"$work/outcome"
same "result" '{"n": 10}' "$(field result <"$work/outcome")"
grep -q 'doubling 5' "$work/outcome" || fail "invoke without its log: $(cat "$work/outcome")"
run invoke poison >"$work/outcome" 2>&1 && fail "an invocation that fails must exit 1"
grep -q 'no luck' "$work/outcome" || fail "invoke without the error: $(cat "$work/outcome")"
run invoke nobody >"$work/outcome" 2>&1 && fail "invoked a function that is not there"

# Shadows.
printf '{"state":{"desired":{"limit":120}}}' | run shadow update car - >/dev/null
same "shadow" 120 "$(run shadow get car | field state desired limit)"
run shadow delete car >/dev/null
run shadow get car >"$work/outcome" 2>&1 && fail "the shadow is still there"

# Dead letters.
run pub poison/1 '{}' --qos 1
wait_for 5 sh -c "'$moonlet' failed poison --data '$work/data' | grep -q 'no luck'"
id=$(run failed poison --json | field 0 id)
run replay "$id"
wait_for 5 sh -c "! '$moonlet' failed poison --data '$work/data' | grep -q '^$id' || '$moonlet' failed poison --json --data '$work/data' | grep -q no"
stop_moonlet
same "exit" 0 "$moonlet_status"
run ls >"$work/outcome" 2>&1 && fail "ls without a host"
grep -q 'no moonlet runs here.* --data$' "$work/outcome" || fail "ls without a host says: $(cat "$work/outcome")"
