#!/usr/bin/env bash
# A fleet set up from nothing, as docs/operations.md tells it: types, groups with policies, devices
# from a list, with keys of their own, and from a factory; new certificates and lost devices.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub openssl

moon() { "$moonlet" "$@" --data "$work/data"; }
start_moonlet "$work/functions" --mqtts 127.0.0.1:0
tls_port=$(sed -n 's/.*MQTT over TLS on .*:\([0-9]*\)$/\1/p' "$work/moonlet.log")
cd "$work"

# publish NAME TOPIC [CERTIFICATE]
publish() {
  mosquitto_pub -V mqttv5 -h localhost -p "$tls_port" --cafile data/tls/ca.pem --cert "${3:-keys/$1}.pem" --key "${3:-keys/$1}.key" \
    -i "$1" -q 1 -t "$2" -m 1 >answer 2>&1 && ! grep -qi "not authorized" answer
}
id_of() { openssl x509 -in "$1" -noout -fingerprint -sha256 | tr -d ':' | sed 's/.*=//' | tr A-F a-f; }

cat >north.json <<'END'
{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Publish","Resource":"topic/alerts/*"}]}
END
moon policy create north north.json
moon type create car --searchable model
moon group create fleet
moon group create north --parent fleet --policy north
printf '%s\n' "audi22 audi" "vw1 vw" >devices.txt
while read -r name model; do
  moon thing create "$name" --cert --type car -a model="$model" --group north --out keys >/dev/null
done <devices.txt
publish audi22 iot/audi22 || fail "its own topic"
publish audi22 alerts/fire || fail "the group's policy"
! publish audi22 iot/vw1 || fail "another's topic"
! publish vw1 iot/vw1 keys/audi22 || fail "another's client id"
same "keys are for nobody else" "700 600" "$(stat -c %a keys) $(stat -c %a keys/vw1.key)"

moon thing create skoda4 --cert --out 'more keys/of 2026' >/dev/null
same "folders above are made" "700 600" "$(stat -c %a 'more keys') $(stat -c %a 'more keys/of 2026/skoda4.key')"

echo "a key of its own"
openssl ecparam -name prime256v1 -genkey -noout -out keys/bmw3.key
openssl req -new -key keys/bmw3.key -subj /CN=bmw3 -out bmw3.csr
moon thing create bmw3 --csr bmw3.csr --out keys >/dev/null
publish bmw3 iot/bmw3 || fail "by its request"
! publish bmw3 alerts/fire || fail "the policy of a group that it is not in"

echo "from a factory"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=Factory" -keyout factory.key -out factory.pem 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout keys/kia4.key -out kia4.csr -subj /CN=kia4 2>/dev/null
openssl x509 -req -in kia4.csr -CA factory.pem -CAkey factory.key -CAcreateserial -days 10 -out keys/kia4.pem 2>/dev/null
moon ca add factory.pem --registration pending
waits() { ! publish kia4 iot/kia4; moon cert ls --status PENDING_ACTIVATION | holds "$(id_of keys/kia4.pem)"; }
wait_for 20 waits
moon cert activate "$(id_of keys/kia4.pem)"
moon thing create kia4
moon cert attach "$(id_of keys/kia4.pem)" kia4
moon policy attach default "cert:$(id_of keys/kia4.pem)"
publish kia4 iot/kia4 || fail "activated"

echo "a new certificate"
moon cert create audi22 --out new >/dev/null
moon cert register new/audi22.pem --policy default
moon cert attach "$(id_of new/audi22.pem)" audi22
publish audi22 iot/audi22 || fail "the old one"
publish audi22 iot/audi22 new/audi22 || fail "the new one"
moon cert revoke "$(id_of keys/audi22.pem)"
! publish audi22 iot/audi22 || fail "the old one is revoked"
publish audi22 alerts/fire new/audi22 || fail "the new one, by the group's policy"

echo "a thing that is deleted, on a live connection"
stdbuf -oL mosquitto_sub -V mqttv5 -h localhost -p "$tls_port" --cafile data/tls/ca.pem --cert keys/vw1.pem --key keys/vw1.key \
  -i vw1 -q 1 -t iot/vw1 -d >live 2>&1 &
remember $!
wait_for 10 grep -q '^Subscribed' live
moon thing delete vw1
wait_for 10 grep -q "DISCONNECT (135)" live
! publish vw1 iot/vw1 || fail "without a thing the default policy allows something"
