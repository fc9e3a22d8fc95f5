#!/bin/bash
# The commands against a running host, and what a host says that cannot start.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub python3

mkdir "$work/functions"
cat >"$work/functions/echo.lua" <<'LUA'
return {
  on = { topic = "in/+" }, allow = { publish = "out/+" }, retries = 0,
  handler = function(event, context)
    if type(event) == "table" and event.fail then error("told to fail") end
    log.info("heard " .. context.topic)
    mqtt.publish("out/" .. (event.id or "x"), event)
    return { heard = event.id }
  end,
}
LUA
cat >"$work/functions/much.lua" <<'LUA'
return {
  allow = { publish = "out/+", http = "https://hooks.example.com" },
  handler = function()
    mqtt.publish("out/much", "x", { qos = 2, retain = true, expiry = 5, properties = { content_type = "a/b", fleet = "north" } })
    webhook.send("https://hooks.example.com/x", "y", { method = "PUT", headers = { ["X-Fleet"] = "north" } })
  end,
}
LUA
start_moonlet "$work/functions"
cli() { "$moonlet" "$@" --data "$work/data"; }
has() { case $(cli "${@:2}" 2>&1) in *"$1"*) ;; *) return 1 ;; esac; }
json() { python3 -c "import json,sys; d = json.load(sys.stdin); print($1)"; }

# pub and sub
cli sub 'out/#' -n 2 >"$work/sub.log" &
sub=$!
remember "$sub"
wait_for 5 sh -c "'$moonlet' pub in/a '{\"id\":\"a\"}' --data '$work/data' && grep -q out/a '$work/sub.log'"
cli pub in/b '{"id":"b"}' -q 1
wait "$sub"
same "what sub shows" 'out/a {"id":"a"}' "$(grep -m1 out/a "$work/sub.log")"
cli pub kept/here 'as it is' --retain --qos 1
same "a retained message" "as it is" "$(mosquitto_sub -p "$mqtt_port" -t kept/here -C 1 -W 120)"
head -c 1000 /dev/urandom >"$work/bytes"
mosquitto_sub -p "$mqtt_port" -t raw -C 1 -W 120 -N >"$work/got" &
raw=$!
remember "$raw"
raw_arrived() { cli pub raw - <"$work/bytes"; sleep 0.05; ! kill -0 "$raw" 2>/dev/null; }
wait_for 5 raw_arrived
cmp "$work/bytes" "$work/got" || fail "bytes changed on their way"
has "topic" pub 'a/#' x || fail "pub takes a wildcard"

# ls, logs, invoke
has "echo" ls || fail "ls does not name echo"
same "functions in JSON" echo "$(cli ls --json | json 'd[0]["name"]')"
wait_for 5 has "heard in/b" logs echo
cli logs --json -n 5 | while read -r line; do echo "$line" | json 'd["message"]' >/dev/null; done
cli logs -f >"$work/follow.log" &
remember $!
# (a line for each invocation is there only while somebody follows)
followed() { cli pub in/c '{"id":"c"}'; grep -q 'topic in/c: done in .* 1 effect' "$work/follow.log"; }
wait_for 5 followed
grep -q 'heard in/c' "$work/follow.log" || fail "logs -f lacks what the handler said"

echo '{"id":"d"}' >"$work/event.json"
has '"heard":"d"' invoke echo "$work/event.json" || fail "invoke does not show the result: $(cli invoke echo "$work/event.json")"
has '"heard":"d"' invoke echo "$(cat "$work/event.json")" || fail "invoke does not take the event itself"
has 'out/d' invoke echo "$work/event.json" --dry-run || fail "invoke --dry-run does not show the effect"
has '{"publish":"out/much","payload":"x","qos":2,"retain":true,"expiry":5,"properties":{"content_type":"a/b","fleet":"north"}}' invoke much --dry-run ||
  fail "a dry run does not show all of a message: $(cli invoke much --dry-run)"
has '{"webhook":"https://hooks.example.com/x","method":"PUT","headers":{"X-Fleet":"north"},"payload":"y"}' invoke much --dry-run ||
  fail "a dry run does not show all of a webhook: $(cli invoke much --dry-run)"
mosquitto_sub -p "$mqtt_port" -t 'out/e' -C 1 -W 2 >"$work/dry" &
dry=$!
echo '{"id":"e"}' | cli invoke echo - --dry-run >/dev/null
wait "$dry" && fail "a dry run published"
echo '{"fail":true}' >"$work/event.json"
if cli invoke echo "$work/event.json" >"$work/out" 2>&1; then fail "a failing invocation exits 0"; fi
grep -q 'told to fail' "$work/out" || fail "invoke does not say why: $(cat "$work/out")"
if cli invoke nobody >"$work/out" 2>&1; then fail "invoke of nobody exits 0"; fi
grep -q 'nobody' "$work/out" || fail "invoke does not name the missing function: $(cat "$work/out")"

# shadow
cli shadow update car1 '{"state":{"desired":{"on":true}}}' >/dev/null
has '"on":	true' shadow get car1 || fail "the shadow was not kept"
cli shadow update car1 '{"state":{"desired":{"on":false}}}' --name lamp >/dev/null
has '"on":	false' shadow get car1 --name lamp || fail "the named shadow was not kept"
cli shadow delete car1 >/dev/null
if cli shadow get car1 >"$work/out" 2>&1; then fail "a deleted shadow is there"; fi

# failed and replay
mosquitto_pub -p "$mqtt_port" -q 1 -t in/f -m '{"fail":true,"id":"f"}'
wait_for 10 has "told to fail" failed
id=$(cli failed echo --json | json 'd[0]["id"]')
cli replay "$id"
wait_for 10 has "told to fail" failed echo
cli failed --drop "$(cli failed --json | json 'd[0]["id"]')"
none() { [ -z "$(cli failed)" ]; }
wait_for 5 none

# What cannot start says why in one line, and harms nothing.
cannot() { # TEXT OPTION...
  local status=0 out text=$1
  shift
  out=$(timeout 120 "$moonlet" run --functions "$work/functions" "$@" 2>&1) || status=$?
  same "exit status of run $*" 1 "$status"
  case $(echo "$out" | tail -1) in *"$text"*) ;; *) fail "run $*: expected '$text', got '$out'" ;; esac
}
cannot "in use" --data "$work/other" --mqtt "127.0.0.1:$mqtt_port" --http 127.0.0.1:0
cannot "in use" --data "$work/other" --mqtt 127.0.0.1:0 --http "127.0.0.1:$http_port"
cannot "in use" --data "$work/data" --mqtt 127.0.0.1:0 --http 127.0.0.1:0
has "echo" ls || fail "the running host was disturbed"

stop_moonlet
same "exit status" 0 "$moonlet_status"
if cli ls 2>"$work/out"; then fail "ls exits 0 without a host"; fi
grep -q 'start one with' "$work/out" || fail "ls does not say what to do"

# The fleet.
start_moonlet "$source_dir/functions" --demo
cli sub 'iot/ccar-ad/+' -n 15 >"$work/fleet.log"
grep -q '"speed":' "$work/fleet.log" || fail "no car reports"
demo=$(pgrep -P "$moonlet_pid" -f -- --demo || true)
stop_moonlet
fleet_is_gone() { [ -z "$demo" ] || ! kill -0 "$demo" 2>/dev/null || grep -q '^State:.Z' "/proc/$demo/status"; }
wait_for 5 fleet_is_gone
