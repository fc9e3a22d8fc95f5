#!/usr/bin/env bash
# What functions do through the whole host: messages with properties, shadow requests by message,
# calls of other functions, and going on after all worker processes have been killed.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub pgrep

mkdir "$work/functions"
cat >"$work/functions/ask.lua" <<'L'
return {
  on = { topic = "ask/+" },
  allow = { publish = { "answer", "$aws/things/+/shadow/update" }, invoke = "double", shadow = "pump" },
  handler = function(event, context)
    mqtt.publish("$aws/things/pump/shadow/update", { state = { desired = { on = true } } })
    mqtt.publish("answer", { twice = invoke.call("double", event), hint = context.properties and context.properties.hint,
      topic = context.topic, had = shadow.get("pump") ~= nil }, { qos = 1 })
  end,
}
L
cat >"$work/functions/double.lua" <<'L'
return { handler = function(event) return { n = event.n * 2 } end }
L
start_moonlet "$work/functions"
stdbuf -oL mosquitto_sub -d -p "$mqtt_port" -t answer -q 1 >"$work/answers" &
remember $!
stdbuf -oL mosquitto_sub -d -p "$mqtt_port" -t '$aws/things/pump/shadow/update/#' -v >"$work/shadow" &
remember $!
wait_for 10 grep -q Subscribed "$work/answers"
wait_for 10 grep -q Subscribed "$work/shadow"

ask() { mosquitto_pub -V 5 -p "$mqtt_port" -t ask/1 -q 1 -D PUBLISH user-property hint "$1" -m "{\"n\":$2}"; }

ask first 21
wait_for 10 grep -q '"n":42' "$work/answers"
grep -q '"hint":"first"' "$work/answers" || fail "no user property: $(cat "$work/answers")"
wait_for 10 grep -q 'shadow/update/accepted' "$work/shadow"
wait_for 10 grep -q 'shadow/update/delta' "$work/shadow"

# The zygote takes all workers with it; the host starts another and loses no acknowledged event.
kill -9 "$(pgrep -P "$moonlet_pid" -f zygote)"
ask second 4
wait_for 10 grep -q '"n":8' "$work/answers"
grep -q '"had":true' "$work/answers" || fail "the shadow is gone: $(cat "$work/answers")"

stop_moonlet
same "exit status" 0 "$moonlet_status"
