#!/bin/bash
# An external broker over TLS: a real Mosquitto that requires certificates of an authority that openssl
# has made. A broker of another authority, or for another host, is not talked to.
. "$(dirname "$0")/lib.sh"
need mosquitto mosquitto_pub mosquitto_sub openssl curl

make_ca() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$1.key" -out "$work/$1.pem" \
    -subj "/CN=$1" -days 2 2>/dev/null
}
# make_certificate CA NAME NAMES
make_certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$2.key" -out "$work/$2.csr" -subj "/CN=$2" 2>/dev/null
  echo "subjectAltName=$3" >"$work/$2.ext"
  openssl x509 -req -in "$work/$2.csr" -CA "$work/$1.pem" -CAkey "$work/$1.key" -CAcreateserial -CAserial "$work/serial" \
    -extfile "$work/$2.ext" -days 2 -out "$work/$2.pem" 2>/dev/null
}
make_ca plant
make_ca other
make_certificate plant server 'DNS:localhost,IP:127.0.0.1'
make_certificate plant elsewhere 'DNS:elsewhere.example,IP:192.0.2.1'
make_certificate plant moonlet DNS:moonlet

mkdir -p "$work/functions"
cat >"$work/functions/forward.lua" <<'END'
return {
  on = { topic = "in/+" },
  allow = { publish = "out/+" },
  handler = function(event, context) mqtt.publish("out/" .. event.n, context.broker) end,
}
END

# broker CERTIFICATE: a Mosquitto by TLS on tls_port.
broker() {
  printf '%s\n' "listener $tls_port 127.0.0.1" "allow_anonymous true" "cafile $work/plant.pem" "certfile $work/$1.pem" \
    "keyfile $work/$1.key" "require_certificate true" "user $(id -un)" >"$work/$1.conf"
  mosquitto -c "$work/$1.conf" >>"$work/mosquitto.log" 2>&1 &
  broker_pid=$!
  remember "$broker_pid"
  wait_for 10 port_answers "$tls_port"
}
state() { curl -s "http://127.0.0.1:$http_port/healthz" | sed 's/.*"brokers":\[\([^]]*\)\].*/\1/'; }
state_is() { state | holds "$1"; }
files="cert=$work/moonlet.pem&key=$work/moonlet.key"

take_ports 1
tls_port=${ports[0]}
broker server
for host in localhost 127.0.0.1; do
  echo "a broker at $host"
  start_moonlet "$work/functions" --broker "mqtts://$host:$tls_port?ca=$work/plant.pem&$files"
  wait_for 10 state_is '"connected"'
  stdbuf -oL mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -t 'out/+' -d -v >"$work/out" 2>&1 &
  remember $!
  wait_for 5 grep -q '^Subscribed' "$work/out"
  mosquitto_pub -h localhost -p "$tls_port" --cafile "$work/plant.pem" --cert "$work/moonlet.pem" --key "$work/moonlet.key" \
    -q 1 -t in/x -m '{"n":7}'
  wait_for 10 grep -q "^out/7 $host:$tls_port" "$work/out"
  stop_moonlet
done

echo "by a table of the configuration"
echo "broker = { url = 'mqtts://localhost:$tls_port', name = 'plant', ca = '$work/plant.pem', cert = '$work/moonlet.pem', key = '$work/moonlet.key' }" \
  >"$work/moonlet.lua"
start_moonlet "$work/functions" -c "$work/moonlet.lua"
wait_for 10 state_is '"plant","state":"connected"'
stop_moonlet

echo "an authority that did not sign it"
start_moonlet "$work/functions" --broker "mqtts://localhost:$tls_port?ca=$work/other.pem&$files"
wait_for 10 state_is 'not correctly signed'
stop_moonlet
echo "no certificate of ours"
start_moonlet "$work/functions" --broker "mqtts://localhost:$tls_port?ca=$work/plant.pem"
wait_for 10 state_is '"waiting'
stop_moonlet

kill "$broker_pid"
wait "$broker_pid" 2>/dev/null || true
broker elsewhere
for host in localhost 127.0.0.1; do
  echo "a certificate for another host than $host"
  start_moonlet "$work/functions" --broker "mqtts://$host:$tls_port?ca=$work/plant.pem&$files"
  wait_for 10 state_is 'does not'
  stop_moonlet
done

echo "wrong files"
! "$moonlet" run --functions "$work/functions" --data "$work/data" --mqtt off --http off \
  --broker "mqtts://localhost?ca=$work/none.pem" 2>"$work/wrong.log" || fail "it starts without the authority"
grep -q 'none.pem' "$work/wrong.log" || fail "it does not name the file"
