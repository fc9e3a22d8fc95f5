#!/bin/bash
# An external broker, a real Mosquitto, is killed and started again in mid-stream, and so is the host:
# no QoS 1 message is lost. Two hosts share the work.
. "$(dirname "$0")/lib.sh"
need mosquitto mosquitto_pub mosquitto_sub python3

# Mosquitto writes its database on every change, so that what it has acknowledged survives kill -9.
mosquitto_options=("persistence true" "persistence_location $work/"
  "autosave_on_changes true" "autosave_interval 1" "max_queued_messages 0")

functions=$work/functions
mkdir -p "$functions"
cat >"$functions/forward.lua" <<'END'
return {
  on = { topic = "in/+" },
  allow = { publish = "out/+" },
  handler = function(event, context)
    mqtt.publish("out/" .. event.n, context.broker, { qos = 1 })
  end,
}
END

# Mosquitto writes its database behind the PUBACK: that it answers once more shows that it has.
is_written() { mosquitto_pub -p "$mosquitto_port" -q 1 -t written -m x 2>/dev/null; }

# Publishes COUNT messages from FIRST on, each until it is acknowledged by a broker that has a
# subscriber for it: Mosquitto 2.0 forgets shared subscriptions when it restarts, and tells.
publish() {
  local n
  for n in $(seq "$1" $(($1 + $2 - 1))); do
    until mosquitto_pub -d -V 5 -p "$mosquitto_port" -q 1 -t "in/car$((n % 5))" -m "{\"n\":$n}" 2>/dev/null |
      holds "received PUBACK.*RC:0)" && is_written; do
      sleep 0.05
    done
  done
}

# The same as devices do that take every PUBACK for a promise.
publish_plainly() {
  local n
  for n in $(seq "$1" $(($1 + $2 - 1))); do
    until mosquitto_pub -p "$mosquitto_port" -q 1 -t "in/car$((n % 5))" -m "{\"n\":$n}" 2>/dev/null && is_written; do
      sleep 0.05
    done
  done
}

# Prints how many different messages the watcher has.
seen() { sort -u "$work/out" | wc -l | tr -d ' '; }
has_seen() { [ "$(seen)" -ge "$1" ]; }

# all_seen COUNT: waits until every message up to COUNT has come, or says which have not.
all_seen() {
  local n
  wait_for 60 has_seen "$1"
  for n in $(seq "$1"); do
    grep -qx "out/$n" "$work/out" || fail "message $n is lost ($(seen) of $1 came)"
  done
}

watch_outputs() {
  mosquitto_sub -p "$mqtt_port" -q 1 -c -i watcher -t 'out/+' -E
  mosquitto_sub -p "$mqtt_port" -q 1 -c -i watcher -t 'out/+' -F '%t' >>"$work/out" &
  remember $!
}

broker_is() { "$moonlet" ls --data "$work/data" | holds "^broker plant: $1"; }

# Kills a process that lib.sh started, and forgets it.
kill_hard() {
  kill -9 "$1"
  wait "$1" 2>/dev/null || true
}

# configure SHARE: writes the configuration.
configure() {
  printf 'broker = { url = "mqtt://localhost:%s", name = "plant", client_id = "%s", share = "%s" }\n' \
    "$mosquitto_port" "$2" "$1" >"$work/moonlet.lua"
}

# Kills the broker three times while the publisher runs; `before` messages were seen before it.
kill_broker_under() {
  local publisher=$1 before=$2
  for round in 1 2 3; do
    wait_for 30 has_seen $((before + round * 25))
    kill_hard "$mosquitto_pid"
    if [ "$round" = 1 ]; then wait_for 5 broker_is waiting; fi
    start_mosquitto "${mosquitto_options[@]}"
  done
  wait "$publisher"
}

start_mosquitto "${mosquitto_options[@]}"
configure off plain
start_moonlet "$functions" --config "$work/moonlet.lua"
: >"$work/out"
watch_outputs
wait_for 5 broker_is connected

echo "-- the broker is killed three times"
publish_plainly 1 120 &
remember $!
kill_broker_under $! 0
all_seen 120
echo "   $(lines "$work/out") came, $(seen) different"

echo "-- the same with a shared subscription"
stop_moonlet
same "exit status" 0 "$moonlet_status"
mosquitto_sub -p "$mosquitto_port" -i plain -t none -E # ends that session
configure moonlet shared
start_moonlet "$functions" --config "$work/moonlet.lua"
wait_for 5 broker_is connected
publish 121 120 &
remember $!
kill_broker_under $! 120
all_seen 240
echo "   $(lines "$work/out") came, $(seen) different"

echo "-- the host is killed twice"
publish_plainly 241 100 &
publisher=$!
remember $publisher
for round in 1 2; do
  wait_for 30 has_seen $((240 + round * 20))
  kill_hard "$moonlet_pid"
  start_moonlet "$functions" --config "$work/moonlet.lua"
done
wait $publisher
all_seen 340
echo "   $(lines "$work/out") came, $(seen) different"

echo "-- a second host shares the work"
configure moonlet second
"$moonlet" run --config "$work/moonlet.lua" --functions "$functions" --data "$work/data2" \
  --mqtt 127.0.0.1:0 --http 127.0.0.1:0 >"$work/second.log" 2>&1 &
remember $!
wait_for 10 grep -q 'plant: connected' "$work/second.log"
second_port=$(sed -n 's/.*MQTT on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/second.log" | tail -1)
mosquitto_sub -p "$second_port" -q 1 -c -i second -t 'out/+' -E
mosquitto_sub -p "$second_port" -q 1 -c -i second -t 'out/+' -F '%t' >"$work/out2" &
remember $!
wait_for 5 "$moonlet" ls --data "$work/data2"
# Those of this part: the first host may still repeat what it did when it was killed.
count_new() { grep -c '^out/10[0-9][0-9]$' "$1" || true; }
both_have() { [ $(($(count_new "$work/out") + $(count_new "$work/out2"))) -ge "$1" ]; }
publish 1001 40
wait_for 20 both_have 40
same "messages at both hosts together" 40 $(($(count_new "$work/out") + $(count_new "$work/out2")))
[ "$(count_new "$work/out2")" -gt 0 ] || fail "the second host got nothing"
[ "$(count_new "$work/out")" -gt 0 ] || fail "the first host got nothing"
echo "   $(count_new "$work/out2") of 40 went to the second"
