#!/bin/bash
# Device shadows as a device and an operator use them: by messages and by the command line, across
# a kill -9.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub

start_moonlet "$work/functions"
shadow() { "$moonlet" shadow "$@" --data "$work/data"; }
tell() { mosquitto_pub -p "$mqtt_port" -q 1 -t "\$aws/things/car/shadow/$1" -m "$2"; }
listen() {
  mosquitto_sub -p "$mqtt_port" -q 1 -t '$aws/things/car/shadow/#' -F '%t %p' >>"$work/heard" &
  remember $!
  wait_for 5 is_heard
}
is_heard() { tell probe x && grep -q 'shadow/probe' "$work/heard"; }
heard() { grep -q -- "$1" "$work/heard"; }

listen
tell get ''
wait_for 5 heard 'shadow/get/rejected {"code":404,"message":"No shadow exists with name: '"'car'"'"'

tell update '{"state":{"desired":{"speed_limit":120}},"clientToken":"one"}'
wait_for 5 heard 'shadow/update/accepted {"state":{"desired":{"speed_limit":120}}.*"version":1,.*"clientToken":"one"}'
wait_for 5 heard 'shadow/update/delta {"state":{"speed_limit":120}'
wait_for 5 heard 'shadow/update/documents {"previous":{"state":{}'

tell update '{"state":{"reported":{"speed_limit":120}},"version":7}'
wait_for 5 heard 'shadow/update/rejected {"code":409,"message":"Version conflict"'
tell name/tyres/update '{"state":{"reported":{"bar":2.4}}}'
wait_for 5 heard 'shadow/name/tyres/update/accepted {"state":{"reported":{"bar":2.4}}'

shadow get car | holds '"speed_limit":[[:space:]]*120' || fail "moonlet shadow get: $(shadow get car)"
shadow update car '{"state":{"reported":{"speed_limit":120}}}' >/dev/null
wait_for 5 heard 'shadow/update/accepted {"state":{"reported":{"speed_limit":120}}'
shadow update serial '{"state":{"reported":{"serial":9007199254740993}}}' | holds '9007199254740993' || fail "a whole number of 64 bits in a shadow"
shadow get serial | holds '9007199254740993' || fail "a whole number of 64 bits in a shadow: $(shadow get serial)"
shadow get nobody >/dev/null 2>&1 && fail "moonlet shadow get of nobody succeeded"

stop_moonlet KILL
start_moonlet "$work/functions"
shadow get car | holds '"version":[[:space:]]*2' || fail "after kill -9: $(shadow get car)"
shadow delete car >/dev/null
shadow get car >/dev/null 2>&1 && fail "the shadow is there after it was deleted"
shadow get car --name tyres | holds '2.4' || fail "the named shadow went with the classic one"
