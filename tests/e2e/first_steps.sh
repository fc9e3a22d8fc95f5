#!/bin/bash
# The README's first screen: a speeding car is reported by the function that ships, seen by an MQTT
# client, a webhook, its shadow and the log. Then a function is saved, broken and fixed while
# messages run.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub perl

mkdir "$work/functions"
"$source_dir/examples/webhook" 0 >"$work/webhook.log" 2>&1 &
remember $!
wait_for 5 grep -q 'webhook on' "$work/webhook.log"
webhook=$(sed -n 's/.*\(http:[^ ]*[0-9]\)\/$/\1/p' "$work/webhook.log")
sed "s|http://127.0.0.1:9000|$webhook|" "$source_dir/functions/overspeed.lua" >"$work/functions/overspeed.lua"

start_moonlet "$work/functions"
grep -q 'overspeed.*iot/ccar-ad/+' "$work/moonlet.log" || fail "the log does not say what runs on which topic"

cli() { "$moonlet" "$@" --data "$work/data"; }
has() { case $(cli "${@:2}" 2>&1) in *"$1"*) ;; *) return 1 ;; esac; }
pub() { mosquitto_pub -p "$mqtt_port" -q 1 -t "$1" -m "$2"; }

mosquitto_sub -p "$mqtt_port" -q 1 -t 'alerts/#' -v >"$work/alerts.log" &
remember $!
mosquitto_sub -p "$mqtt_port" -q 1 -t 'pressure/#' -v >"$work/pressure.log" &
remember $!
ready() { mosquitto_pub -p "$mqtt_port" -t "$1/ready" -m ready; grep -q ready "$2"; }
wait_for 5 ready alerts "$work/alerts.log"
wait_for 5 ready pressure "$work/pressure.log"

pub iot/ccar-ad/audi22 '{"deviceid":"audi22","speed":140}'
wait_for 5 grep -q 'alerts/audi22 .*140' "$work/alerts.log"
wait_for 5 grep -q 'POST /overspeed .*audi22' "$work/webhook.log"
wait_for 5 has '"speed_limit":	120' shadow get audi22
wait_for 5 has overspeed logs
has overspeed ls || fail "moonlet ls does not name the function"

# A function that is saved serves the next message.
cat >"$work/functions/pressure.lua" <<'LUA'
return {
  on = { topic = "pressure-in/+" }, allow = { publish = "pressure/+" },
  handler = function(event) mqtt.publish("pressure/" .. event.id, "version 1 of " .. event.n, { qos = 1 }) end,
}
LUA
wait_for 5 has pressure ls
pub pressure-in/a '{"id":"a","n":1}'
wait_for 5 grep -q 'version 1 of 1' "$work/pressure.log"

# Broken: the old version goes on, and the reason is told with file and line.
cp "$work/functions/pressure.lua" "$work/good.lua"
sed -i 's/handler = function/handler = = function/' "$work/functions/pressure.lua"
wait_for 5 grep -q 'pressure.lua:3' "$work/moonlet.log"
has 'pressure.lua:3' ls || fail "moonlet ls does not say what is wrong"
if cli check --functions "$work/functions" >/dev/null 2>&1; then fail "moonlet check found nothing"; fi
pub pressure-in/a '{"id":"a","n":2}'
wait_for 5 grep -q 'version 1 of 2' "$work/pressure.log"

# Fixed while messages run: none is lost, each is served by one version or the other.
( for n in $(seq 100 199); do echo "{\"id\":\"a\",\"n\":$n}"; done | mosquitto_pub -p "$mqtt_port" -q 1 -t pressure-in/a -l ) &
publisher=$!
sed 's/version 1/version 2/' "$work/good.lua" >"$work/functions/pressure.lua"
wait "$publisher"
wait_for 10 grep -q 'of 199' "$work/pressure.log"
same "messages served" 100 "$(grep -c 'of 1[0-9][0-9]$' "$work/pressure.log")"
version_2() { pub pressure-in/a '{"id":"a","n":3}'; grep -q 'version 2 of 3' "$work/pressure.log"; }
wait_for 5 version_2

rm "$work/functions/pressure.lua"
gone() { ! has pressure ls; }
wait_for 5 gone

stop_moonlet
same "exit status" 0 "$moonlet_status"
