#!/bin/bash
# The clients that people use, against the gateway: mosquitto's, MQTT.js and Paho for Python. The
# last two are tried where they are installed.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub mosquitto_rr python3

pub() { mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" "$@"; }

# sub NAME ARGUMENTS...: in the background, what comes into $work/NAME; waits for its SUBACK.
sub() {
  local name=$1
  shift
  stdbuf -oL mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -d "$@" >"$work/$name.raw" 2>&1 &
  remember $!
  wait_for 5 grep -q '^Subscribed' "$work/$name.raw"
}

# The messages that a sub has printed, without its own words.
got() { grep -av -e '^Client ' -e '^Subscribed ' "$work/$1.raw" || true; }
has_lines() { [ "$(got "$1" | wc -l)" -ge "$2" ]; }

start_moonlet "$work/functions"

echo "every version and QoS, from and to"
for from in 311 5; do
  for to in 311 5; do
    for qos in 0 1 2; do
      name=v$from-v$to-$qos
      sub "$name" -V "mqttv$to" -q "$qos" -t "plain/$name" -C 200
      seq 200 | pub -V "mqttv$from" -q "$qos" -t "plain/$name" -l
      wait_for 10 has_lines "$name" 200
      same "$name" "$(seq 200)" "$(got "$name")"
    done
  done
done

echo "a large message"
head -c 200000 /dev/zero | tr '\0' 'x' >"$work/large"
sub large -q 1 -t large -C 1
pub -q 1 -t large -f "$work/large"
wait_for 10 has_lines large 1
same "size of the large message" 200000 "$(got large | tr -d '\n' | wc -c)"

echo "retained"
pub -r -q 1 -t state/door -m open
same "retained" "state/door open" "$(mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -v -t 'state/#' -C 1 -W 120 2>&1)"
pub -r -n -q 1 -t state/door
same "removed" "" "$(mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -v -t 'state/#' -W 1 2>/dev/null || true)"

echo "a will"
sub will -q 1 -t wills/+ -C 1
sub dying -i dying -t none --will-topic wills/dying --will-payload gone --will-qos 1
kill -9 "${started[-1]}"
wait "${started[-1]}" 2>/dev/null || true
wait_for 5 has_lines will 1
same "the will" gone "$(got will)"

echo "request and response with properties"
mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -V mqttv5 -q 1 -t ask -C 1 -F '%R %D %p' >"$work/asked" &
remember $!
mosquitto_rr -h 127.0.0.1 -p "$mqtt_port" -V mqttv5 -q 1 -t ask -e answer/me -m 'how much?' \
  -D publish correlation-data 42 >"$work/answered" &
remember $!
# The question is asked again until both have subscribed: nobody says when.
ask_again() { [ -s "$work/asked" ] || { pub -V mqttv5 -q 1 -t ask -m 'how much?' -D publish response-topic answer/me -D publish correlation-data 42; false; }; }
wait_for 10 ask_again
same "the question" "answer/me 42 how much?" "$(cat "$work/asked")"
answer_again() { [ -s "$work/answered" ] || { pub -V mqttv5 -q 1 -t answer/me -m 7 -D publish correlation-data 42; false; }; }
wait_for 10 answer_again
same "the answer" 7 "$(cat "$work/answered")"

echo "shared by two"
sub one -V mqttv5 -q 1 -t '$share/team/work'
sub two -V mqttv5 -q 1 -t '$share/team/work'
seq 100 | pub -q 1 -t work -l
both_have() { [ $(($(got one | wc -l) + $(got two | wc -l))) -ge "$1" ]; }
wait_for 10 both_have 100
same "all work" "$(seq 100)" "$( (got one; got two) | sort -n)"
[ "$(got one | wc -l)" -ge 20 ] && [ "$(got two | wc -l)" -ge 20 ] || fail "one of the two had most of the work"

echo "a session that is away, over kill -9"
mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -i keeper -c -q 2 -t kept -E
seq 100 | pub -q 1 -t kept -l
stop_moonlet KILL
start_moonlet "$work/functions"
seq 101 150 | pub -q 2 -t kept -l
same "what was kept" "$(seq 150)" "$(mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -i keeper -c -q 2 -t kept -C 150 -W 120)"

echo "Mosquitto as a bridge, by both versions"
for version in mqttv311 mqttv50; do
  unset mosquitto_port
  : >"$work/mosquitto.log"
  start_mosquitto "connection $version" "address 127.0.0.1:$mqtt_port" "bridge_protocol_version $version" \
    "remote_clientid bridge-$version" "topic up/$version out 1" "topic down/$version in 1" "notifications false" "restart_timeout 1"
  sub "up-$version" -q 1 -t "up/$version"
  stdbuf -oL mosquitto_sub -h 127.0.0.1 -p "$mosquitto_port" -q 1 -t "down/$version" >"$work/down-$version" &
  remember $!
  goes_up() { mosquitto_pub -h 127.0.0.1 -p "$mosquitto_port" -q 1 -t "up/$version" -m x; has_lines "up-$version" 1; }
  goes_down() { pub -q 1 -t "down/$version" -m x; at_least "$work/down-$version" 1; }
  wait_for 30 goes_up
  wait_for 30 goes_down
  ! grep -q 'Connection Refused' "$work/mosquitto.log" || fail "a bridge of $version is refused at first"
done

python=/usr/bin/python3
"$python" -c 'import paho.mqtt' 2>/dev/null || python=python3
if "$python" -c 'import paho.mqtt' 2>/dev/null; then
  echo "Paho for Python"
  "$python" "$tests_dir/e2e/client_paho.py" "$mqtt_port"
else
  echo "Paho for Python is not installed"
fi
modules=${MOONLET_NODE_MODULES:-$build_dir/clients/node_modules}
if command -v node >/dev/null && [ -d "$modules/mqtt" ]; then
  echo "MQTT.js"
  NODE_PATH=$modules node "$tests_dir/e2e/client_js.js" "$mqtt_port"
else
  echo "MQTT.js is not installed"
fi
