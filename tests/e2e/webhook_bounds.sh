#!/usr/bin/env bash
# Webhooks that wait are bounded by count and size, also those of an earlier run: a commit beyond is
# refused whole, and goes through when there is room again.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub python3 curl sqlite3

take_ports 1
port=${ports[0]}
touch "$work/peer"
mkdir "$work/functions"
cat >"$work/functions/hook.lua" <<L
return { on = { topic = "hook/+" }, allow = { http = "http://127.0.0.1:$port", publish = "told/+" }, retries = 0,
  handler = function(event, context)
    mqtt.publish("told/" .. context.topic:sub(6), "x", { retain = true })
    webhook.send("http://127.0.0.1:$port/" .. context.topic:sub(6), event)
  end }
L
start() { mqtt_port=0; http_port=0; start_moonlet "$work/functions" --webhook-retries 1000 --webhook-backoff 200ms --webhook-backoff-max 400ms --webhooks-max 5 --webhooks-bytes-max 100KiB; }
send() { mosquitto_pub -p "$mqtt_port" -q 1 -t "hook/$1" -m "$2"; }
failed() { "$moonlet" failed --data "$work/data" "$@"; }
figure() { curl -sf "http://127.0.0.1:$http_port/metrics" | sed -n "s/^moonlet_webhooks_$1 //p"; }
is() { [ "$(figure "$1")" = "$2" ]; }
told() { sqlite3 "$work/data/moonlet.db" "SELECT count(*) FROM retained WHERE instr(CAST(key AS BLOB), CAST('told/$1' AS BLOB)) > 0"; }

start
for i in 1 2 3 4 5; do send "$i" "$i"; done
wait_for 10 is stored 5
send 6 6
full() { failed | holds 'webhook.send: 5 requests wait to be sent, more than webhooks_max (5)'; }
wait_for 10 full
same "messages of a commit that was refused" 0 "$(told 6)"
same "messages of one that was not" 1 "$(told 5)"
is refused_total 1 || fail "refused: $(figure refused_total)"

# They count after a restart too.
stop_moonlet KILL
start
wait_for 10 is stored 5
send 7 7
two() { [ "$(failed | grep -c 'more than webhooks_max')" = 2 ]; }
wait_for 10 two

# When they are sent there is room; then the size is the bound.
python3 "$tests_dir/e2e/webhook_peer.py" "$port" "$work/peer" >"$work/peer.out" 2>&1 &
remember $!
wait_for 20 is stored 0
is stored_bytes 0 || fail "bytes: $(figure stored_bytes)"
"$moonlet" replay --data "$work/data" "$(failed | sed -n 's/^\([0-9a-f]*\) .*/\1/p' | head -1)" >/dev/null
wait_for 10 grep -q '^/6 [^ ]* 200 ' "$work/peer"
head -c 120000 /dev/zero | tr '\0' x >"$work/large"
mosquitto_pub -p "$mqtt_port" -q 1 -t hook/8 -f "$work/large"
large() { failed | holds 'more than webhooks_bytes_max (102400)'; }
wait_for 10 large
same "requests beyond the bounds" 0 "$(grep -c '^/[78] ' "$work/peer")"
wait_for 10 is stored 0
stop_moonlet
same "exit status" 0 "$moonlet_status"
