#!/bin/bash
# Devices with certificates of Moonlet's own: they may do what their policy says and nothing else, by
# MQTT and by HTTPS; what is changed holds at once, on live connections too.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub curl

mkdir -p "$work/functions"
cat >"$work/functions/trips.lua" <<'LUA'
return {
  on = { topic = "iot/ccar-ad/+" },
  allow = { publish = "seen/#" },
  handler = function(event, context)
    mqtt.publish("seen/" .. context.topic:match("[^/]+$"), { speed = event.speed, client = context.client_id }, { qos = 1 })
  end,
}
LUA
start_moonlet "$work/functions" --mqtts 127.0.0.1:0 --https 127.0.0.1:0
port_of() { sed -n "s/.*$1 on 127\.0\.0\.1:\([0-9]*\).*/\1/p" "$work/moonlet.log" | tail -1; }
mqtts_port=$(port_of 'MQTT over TLS')
https_port=$(port_of HTTPS)
host() { "$moonlet" "$@" --data "$work/data"; }
make() { host thing create "$1" --cert --out "$work" >"$work/$1.made"; }
id_of() { openssl x509 -in "$work/$1.pem" -outform der | sha256sum | cut -d' ' -f1; }

# with DEVICE COMMAND...: a mosquitto client with a device's files.
with() {
  local device=$1 command=$2
  shift 2
  stdbuf -oL timeout 120 "$command" -h localhost -p "$mqtts_port" --cafile "$work/data/tls/ca.pem" --cert "$work/$device.pem" \
    --key "$work/$device.key" "$@"
}
# refused WHAT COMMAND...
refused() {
  local what=$1
  shift
  if "$@" >"$work/refused" 2>&1; then fail "$what was allowed: $(cat "$work/refused")"; fi
}
logged() { grep -q "$1" "$work/moonlet.log"; }
counted() { [ "$(curl -s "http://127.0.0.1:$http_port/metrics" | sed -n "s/^$1 //p")" -ge "$2" ]; }

make audi22
make audi23
same "the key is its owner's alone" 600 "$(stat -c %a "$work/audi22.key")"
grep -q "$work/audi22.key" "$work/audi22.made" || fail "it is not said where the files are"

echo "what a device may do"
stdbuf -oL mosquitto_sub -p "$mqtt_port" -d -v -q 1 -t '#' >"$work/seen" 2>&1 &
remember $!
wait_for 20 grep -q '^Subscribed' "$work/seen"
with audi22 mosquitto_pub -q 1 -t iot/ccar-ad/audi22 -m '{"speed":1}'
with audi22 mosquitto_pub -V 5 -i audi22 -q 2 -t iot/ccar-ad/audi22 -m '{"speed":2}'
wait_for 20 grep -q 'seen/audi22 .*"client":"audi22"' "$work/seen"
grep -q 'seen/audi22 .*"client":"audi22/' "$work/seen" || fail "an empty client id is not named after its thing"
ask() {
  curl -s --cacert "$work/data/tls/ca.pem" --cert "$work/$1.pem" --key "$work/$1.key" -w '\n%{http_code}' "https://localhost:$https_port$2" "${@:3}" | tail -1
}
same "publish by HTTPS" 200 "$(ask audi22 '/topics/iot/ccar-ad/audi22?qos=1' -d '{"speed":3}')"
wait_for 20 grep -q 'seen/audi22 .*"speed":3' "$work/seen"
same "its shadow" 200 "$(ask audi22 /things/audi22/shadow -d '{"state":{"reported":{"on":true}}}')"

echo "what it may not"
# With 5.0 mosquitto_pub warns only.
warned() {
  with audi22 mosquitto_pub -V 5 "$@" >"$work/warned" 2>&1 || true
  grep -q 'Not authorized' "$work/warned" || fail "mosquitto_pub $*: $(cat "$work/warned")"
}
warned -q 1 -t iot/ccar-ad/audi23 -m forged
warned -q 2 -t iot/ccar-ad/audi23 -m forged
warned -q 1 -t alerts/x -m forged
warned -q 1 -t '$aws/things/audi23/shadow/name/audi22/update' -m forged
refused "another's topic, 3.1.1" with audi22 mosquitto_pub -V 311 -q 1 -t iot/ccar-ad/audi23 -m forged
refused "another's client id" with audi22 mosquitto_pub -i audi23 -q 1 -t iot/ccar-ad/audi22 -m forged
refused "another's will" with audi22 mosquitto_sub -t x/audi22 -W 60 --will-topic iot/ccar-ad/audi23 --will-payload forged
with audi22 mosquitto_sub -V 5 -W 60 -t iot/ccar-ad/audi23 >"$work/denied" 2>&1 || true
grep -q 'denied' "$work/denied" || fail "subscribe: $(cat "$work/denied")"
with audi22 mosquitto_sub -V 5 -W 60 -t '#' >"$work/denied" 2>&1 || true
grep -q 'denied' "$work/denied" || fail "subscribe to all: $(cat "$work/denied")"
same "publish by HTTPS as another" 403 "$(ask audi22 '/topics/iot/ccar-ad/audi23?qos=1' -d forged)"
same "another's shadow" 403 "$(ask audi22 /things/audi23/shadow)"
wait_for 20 logged 'may not iot:Publish on topic/iot/ccar-ad/audi23: no statement allows it'
wait_for 20 logged 'may not iot:Connect on client/audi23: no statement allows it'
wait_for 20 counted moonlet_denied_total 9
! grep -q forged "$work/seen" || fail "something that was refused came: $(grep forged "$work/seen")"

echo "without a certificate"
refused "nobody" mosquitto_pub -h localhost -p "$mqtts_port" --cafile "$work/data/tls/ca.pem" -q 1 -t iot/x -m forged

# listen DEVICE: in the background, until it is cut; its end is told in $work/DEVICE.heard.
listen() {
  with "$1" mosquitto_sub -V 5 -i "$1" -q 1 -t "iot/ccar-ad/$1" -W 120 -d >"$work/$1.heard" 2>&1 &
  remember $!
  wait_for 20 grep -q '^Subscribed' "$work/$1.heard"
}
is_cut() { wait_for 5 grep -q 'Received DISCONNECT (135)' "$work/$1.heard"; }

echo "a certificate that is revoked"
listen audi23
host cert revoke "$(id_of audi23)"
is_cut audi23
refused "a revoked certificate" with audi23 mosquitto_pub -i audi23 -q 1 -t iot/ccar-ad/audi23 -m forged
wait_for 20 logged 'is REVOKED'

echo "a thing that is deleted"
listen audi22
host thing delete audi22
is_cut audi22
refused "a deleted thing" with audi22 mosquitto_pub -i audi22 -q 1 -t iot/ccar-ad/audi22 -m forged

echo "after a restart as before"
stop_moonlet
start_moonlet "$work/functions" --mqtts 127.0.0.1:0
mqtts_port=$(port_of 'MQTT over TLS')
refused "a revoked certificate" with audi23 mosquitto_pub -i audi23 -q 1 -t iot/ccar-ad/audi23 -m forged
make audi24
with audi24 mosquitto_pub -i audi24 -q 1 -t iot/ccar-ad/audi24 -m '{"speed":4}'
stop_moonlet
same "exit status" 0 "$moonlet_status"
