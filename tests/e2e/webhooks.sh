#!/usr/bin/env bash
# webhook.send: sent after the commit, tried again with the same key until it is taken, also over a
# kill; given up into the failed events and replayed.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub python3

take_ports 1
port=${ports[0]}
touch "$work/peer"
start_peer() {
  python3 "$tests_dir/e2e/webhook_peer.py" "$port" "$work/peer" >"$work/peer.out" 2>&1 &
  peer=$!
  remember "$peer"
  wait_for 10 port_answers "$port"
}
mkdir "$work/functions"
cat >"$work/functions/hook.lua" <<L
return { on = { topic = "hook/#" }, allow = { http = "http://127.0.0.1:$port" }, retries = 0,
  handler = function(event, context)
    webhook.send("http://127.0.0.1:$port/" .. context.topic:sub(6), event)
    if event == "fail" then error("no") end
  end }
L
options=(--webhook-backoff 50ms --webhook-backoff-max 400ms)
start_moonlet "$work/functions" "${options[@]}" --webhook-retries 1000
failed() { "$moonlet" failed --data "$work/data" "$@"; }
send() { mosquitto_pub -p "$mqtt_port" -q 1 -t "hook/$1" -m "$2"; }
taken() { [ "$(grep -c "^/$1 [^ ]* 200 " "$work/peer")" = "$2" ]; }
has_failed() { failed | holds "$1"; }
start_peer

# Taken at once; after failures, with one key; after what Retry-After asks for. JSON and text.
send plain '{"n":1}'
send fail/3/a x
send busy/a y
wait_for 10 taken plain 1
grep '^/plain' "$work/peer" | holds '{"n":1}$' || fail "body: $(cat "$work/peer")"
wait_for 10 taken fail/3/a 1
same "requests of fail/3" 4 "$(grep -c ^/fail/3/a "$work/peer")"
same "keys of fail/3" 1 "$(grep ^/fail/3/a "$work/peer" | cut -d' ' -f2 | sort -u | wc -l)"
wait_for 10 taken busy/a 1
python3 - "$work/peer" <<'P'
import sys
times = [float(line.split()[3]) for line in open(sys.argv[1]) if line.startswith("/busy/a")]
assert len(times) == 2 and times[1] - times[0] >= 0.99, times
P

# A redirect takes the request elsewhere whole.
for status in 301 302 307 308; do
  send "moved/$status/a" "whole $status"
  wait_for 10 taken "at/$status" 1
  grep "^/at/$status" "$work/peer" | grep -q "whole $status" || fail "$status: $(cat "$work/peer")"
done

# A handler that fails leaves nothing; a URL that is not allowed is the handler's failure.
send other fail
wait_for 10 has_failed 'hook.*no'
grep -q ^/other "$work/peer" && fail "a failed handler's request was sent"
cat >"$work/functions/far.lua" <<L
return { on = { topic = "far" }, allow = { http = "https://example.com" }, retries = 0,
  handler = function() webhook.send("http://127.0.0.1:$port/far", 1) end }
L
wait_for 10 grep -q 'far serves' "$work/moonlet.log"
mosquitto_pub -p "$mqtt_port" -q 1 -t far -m 1
wait_for 10 has_failed 'far.*webhook.send: .*not allowed'

# In a dry run nothing leaves: no request, no webhook, and nothing of the functions that it calls.
cat >"$work/functions/inner.lua" <<L
return { allow = { publish = "dry" }, handler = function(event) mqtt.publish("dry", "x", { retain = true }); return event + 1 end }
L
cat >"$work/functions/outer.lua" <<L
return { allow = { http = "http://127.0.0.1:$port", invoke = "inner" }, handler = function()
  local _, problem = pcall(http.post, "http://127.0.0.1:$port/dry", { body = "x" })
  webhook.send("http://127.0.0.1:$port/dry", "x")
  return { problem = problem, inner = invoke.call("inner", 1) }
end }
L
wait_for 10 grep -q 'outer serves' "$work/moonlet.log"
wait_for 10 grep -q 'inner serves' "$work/moonlet.log"
echo 1 | "$moonlet" invoke --data "$work/data" outer - --dry-run >"$work/dry"
grep -q 'no request is sent in a dry run' "$work/dry" || fail "dry run: $(cat "$work/dry")"
grep -q '"inner": *2' "$work/dry" || fail "dry run: $(cat "$work/dry")"
grep -q '/dry' "$work/dry" || fail "the dry run does not show the webhook: $(cat "$work/dry")"

# Nobody listens, and the host is killed: all are sent when both are back, each once or with its key.
kill "$peer"; wait "$peer" || true
for i in $(seq 20); do send "later/$i" "$i"; done
wait_for 10 grep -q 'attempt 1 for 127.0.0.1' "$work/moonlet.log"
stop_moonlet KILL
start_peer
mqtt_port=0; http_port=0; start_moonlet "$work/functions" "${options[@]}" --webhook-retries 1000
all_later() { [ "$(grep '^/later/[0-9]* [^ ]* 200 ' "$work/peer" | cut -d' ' -f1 | sort -u | wc -l)" = 20 ]; }
wait_for 20 all_later
same "keys of later" 20 "$(grep ^/later "$work/peer" | cut -d' ' -f2 | sort -u | wc -l)"

# Killed while the answer is on its way: sent again, with the same key.
send hang/a z
wait_for 10 grep -q ^/hang/a "$work/peer"
stop_moonlet KILL
mqtt_port=0; http_port=0; start_moonlet "$work/functions" "${options[@]}" --webhook-retries 6
wait_for 10 bash -c "[ \$(grep -c ^/hang/a '$work/peer') -ge 2 ]"
same "keys of hang" 1 "$(grep ^/hang/a "$work/peer" | cut -d' ' -f2 | sort -u | wc -l)"

# Given up: at once where it is refused, else after the last attempt; both stand there with their URL.
send gone/a 1
send never/a 2
wait_for 10 has_failed 'hook.*POST http://127.0.0.1:.*/gone/a: it was answered 410'
wait_for 20 has_failed 'hook.*POST http://127.0.0.1:.*/never/a: it was answered 500'
same "requests of gone" 1 "$(grep -c ^/gone/a "$work/peer")"
same "requests of never" 7 "$(grep -c ^/never/a "$work/peer")"

# Replayed, it is sent again with its old key.
id=$(failed | sed -n 's/^\([0-9a-f]*\) .*gone.*/\1/p')
failed --show "$id" >"$work/one.json"
python3 - "$work/one.json" <<'P'
import json, sys
event = json.load(open(sys.argv[1]))["event"]
assert event["method"] == "POST" and event["url"].endswith("/gone/a"), event
assert event["payload"] == "1" and event["idempotencyKey"], event
P
"$moonlet" replay --data "$work/data" "$id" >/dev/null
wait_for 10 bash -c "[ \$(grep -c ^/gone/a '$work/peer') -ge 2 ]"
same "keys of gone" 1 "$(grep ^/gone/a "$work/peer" | cut -d' ' -f2 | sort -u | wc -l)"

grep -q ^/dry "$work/peer" && fail "a dry run sent a request"
[ -z "$(mosquitto_sub -p "$mqtt_port" -t dry -W 1 2>/dev/null)" ] || fail "a dry run published"

stop_moonlet
same "exit status" 0 "$moonlet_status"
