#!/bin/bash
# AWS IoT's device SDKs for JavaScript, v1 and v2, unmodified, with the files that `moonlet thing create
# --cert` makes, and with RSA certificates of another authority by openssl; on the port of MQTT, and on
# that of HTTPS, where v2 says by ALPN what it speaks.
. "$(dirname "$0")/lib.sh"
need node openssl
modules=${MOONLET_NODE_MODULES:-$build_dir/clients/node_modules}
[ -d "$modules/aws-iot-device-sdk-v2" ] || skip "the AWS SDKs are not installed"
export NODE_PATH=$modules

# made_by_openssl NAME: a key and a certificate of the plant's authority, RSA both.
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/plant.key" -out "$work/plant.pem" -subj /CN=plant -days 2 2>/dev/null
made_by_openssl() {
  openssl req -newkey rsa:2048 -nodes -keyout "$work/$1.key" -subj "/CN=$1" 2>/dev/null |
    openssl x509 -req -CA "$work/plant.pem" -CAkey "$work/plant.key" -CAcreateserial -out "$work/$1.pem" -days 2 2>/dev/null
}

start_moonlet "$work/functions" --mqtts 127.0.0.1:0 --https 127.0.0.1:0 --tls-ca "$work/plant.pem"
port_of() { sed -n "s/.*$1 on 127\.0\.0\.1:\([0-9]*\).*/\1/p" "$work/moonlet.log"; }
mqtts_port=$(port_of 'MQTT over TLS')
https_port=$(port_of HTTPS)

# try VERSION PORT THING [TOKEN]: in the background.
tries=()
try() {
  node "$tests_dir/e2e/client_aws_$1.js" "$2" "$work/data/tls/ca.pem" "$work/$3.pem" "$work/$3.key" "${@:3}" &
  tries+=($!)
}
for thing in car1 car2 car3; do
  "$moonlet" thing create $thing --cert --data "$work/data" --out "$work" >"$work/$thing.made"
done
for thing in van1 van2; do made_by_openssl $thing; done
try v1 "$mqtts_port" car1
try v2 "$mqtts_port" car2
"$moonlet" thing import - --data "$work/data" >/dev/null <<'END'
{"kind":"policy","policyName":"laptops","policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":["client/laptop","topic/laptop/*"]}]}}
END
try v2 "$https_port" car3 "$("$moonlet" token create laptop --policy laptops --data "$work/data")"
try v1 "$https_port" van1
try v2 "$mqtts_port" van2
for pid in "${tries[@]}"; do wait "$pid"; done
same "things that came by themselves" "van1 van2 " "$("$moonlet" thing ls --data "$work/data" | sed -n 's/^\(van[0-9]\).*/\1/p' | sort | tr "\n" " ")"
stop_moonlet
same "exit status" 0 "$moonlet_status"
