#!/bin/bash
# AWS IoT's device SDKs for JavaScript, v1 and v2, unmodified, with the files that `moonlet thing create
# --cert` makes.
. "$(dirname "$0")/lib.sh"
need node
modules=${MOONLET_NODE_MODULES:-$build_dir/clients/node_modules}
[ -d "$modules/aws-iot-device-sdk-v2" ] || skip "the AWS SDKs are not installed"
export NODE_PATH=$modules

start_moonlet "$work/functions" --mqtts 127.0.0.1:0
mqtts_port=$(sed -n 's/.*MQTT over TLS on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/moonlet.log")
for thing in car1 car2; do
  "$moonlet" thing create $thing --cert --data "$work/data" --out "$work" >"$work/$thing.made"
done
files() { printf '%s\n' "$work/data/tls/ca.pem" "$work/$1.pem" "$work/$1.key" "$1"; }
# shellcheck disable=SC2046
node "$tests_dir/e2e/client_aws_v1.js" "$mqtts_port" $(files car1) &
first=$!
# shellcheck disable=SC2046
node "$tests_dir/e2e/client_aws_v2.js" "$mqtts_port" $(files car2)
wait $first
stop_moonlet
same "exit status" 0 "$moonlet_status"
