#!/usr/bin/env bash
# SIGHUP reads the configuration again: what can change changes, what cannot is said, what is wrong
# changes nothing; nobody is disconnected.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub

mkdir "$work/functions"
cat >"$work/functions/tell.lua" <<'LUA'
return {
  on = { topic = "ask" }, allow = { publish = "told", secrets = "word" },
  handler = function() mqtt.publish("told", secrets.get("word")) end,
}
LUA
config="$work/moonlet.lua"
echo 'secrets = { word = "one" }; limits = { retries = 0 }' >"$config"
start_moonlet "$work/functions" -c "$config"

mosquitto_sub -p "$mqtt_port" -t told >"$work/told" &
remember $!
asked() { mosquitto_pub -p "$mqtt_port" -t ask -m '{}'; tail -1 "$work/told" | holds -x "$1"; }
wait_for 5 asked one

said() { grep -q "$1" "$work/moonlet.log"; }
echo 'secrets = { word = "two" }; log_level = "debug"; workers = 7' >"$config"
kill -HUP "$moonlet_pid"
wait_for 5 said 'log_level is now debug (was info)'
wait_for 5 said 'workers = 7 holds from the next start'
wait_for 5 asked two

echo 'secrets = { word = "three" }; lgo_level = "warn"' >"$config"
kill -HUP "$moonlet_pid"
wait_for 5 said "stays as it was: .*moonlet.lua:1: .*lgo_level"
wait_for 5 asked two

# Many at once are read one after another.
echo 'secrets = { word = "four" }' >"$config"
for _ in 1 2 3 4 5 6 7 8; do kill -HUP "$moonlet_pid"; done
wait_for 5 asked four
stop_moonlet
same "exit status" 0 "$moonlet_status"
