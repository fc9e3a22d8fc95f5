#!/usr/bin/env bash
# The registry by its commands: things with certificates that work at once, types, groups, what is
# revoked or deleted, authorities of others, and all of it again after a restart.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub

refused() { ! "$moonlet" "$@" --data "$work/data" 2>"$work/refused" || fail "not refused: $*"; }
moon() { "$moonlet" "$@" --data "$work/data"; }
json() { python3 -c "import json,sys; print(json.load(sys.stdin)$1)"; }

start_moonlet "$work/functions" --mqtts 127.0.0.1:0
tls_port=$(sed -n 's/.*MQTT over TLS on .*:\([0-9]*\)$/\1/p' "$work/moonlet.log")

# Types, groups, things.
moon type create car --description "with four wheels" --searchable model
moon group create fleet
moon group create north --parent fleet
moon thing create audi22 --type car -a model=audi -a year=2022 --group north --cert --out "$work" >"$work/created"
grep -q "mosquitto_pub .* -p $tls_port" "$work/created" || fail "says nothing of how to use it: $(cat "$work/created")"
same "mode of the key" 600 "$(stat -c %a "$work/audi22.key")"
same "attribute" audi "$(moon thing show audi22 | json '["attributes"]["model"]')"
same "group" north "$(moon thing show audi22 | json '["thingGroupNames"][0]')"
id=$(moon thing show audi22 | json '["principals"][0]' | sed 's/^cert://')
same "fingerprint" "$id" "$(openssl x509 -in "$work/audi22.pem" -noout -fingerprint -sha256 | tr -d ':' | sed 's/.*=//' | tr A-F a-f)"
same "status" ACTIVE "$(moon cert show "${id:0:8}" | json '["status"]')"
same "its policy" default "$(moon cert show "$id" | json '["policies"][0]')"
moon thing update audi22 -a colour=red -a year=
same "attributes" "colour,model" "$(moon thing show audi22 | python3 -c 'import json,sys; print(",".join(sorted(json.load(sys.stdin)["attributes"])))')"

# What is wrong is refused with a reason.
refused thing create audi22; grep -q "there already" "$work/refused" || fail "$(cat "$work/refused")"
refused thing create "a b"; grep -q "letters, digits" "$work/refused" || fail "$(cat "$work/refused")"
refused thing create x --type lorry; grep -q "there is no lorry" "$work/refused" || fail "$(cat "$work/refused")"
refused thing create x -a novalue; grep -q "NAME=VALUE" "$work/refused" || fail "$(cat "$work/refused")"
refused thing create audi22 --cert --out "$work"; grep -q "audi22.pem is there already" "$work/refused" || fail "$(cat "$work/refused")"
refused thing create y --type lorry --cert --out "$work"
[ ! -e "$work/y.key" ] || fail "a key was left of a thing that was refused"
refused type delete car; grep -q "audi22" "$work/refused" || fail "$(cat "$work/refused")"
refused group delete fleet; grep -q "north" "$work/refused" || fail "$(cat "$work/refused")"
refused cert delete "$id"; grep -q "ACTIVE" "$work/refused" || fail "$(cat "$work/refused")"
fingerprint=$(openssl x509 -in "$work/audi22.pem" -noout -fingerprint -sha256 | cut -d= -f2)
same "by openssl's fingerprint" "$id" "$(moon cert show "$fingerprint" | json '["certificateId"]')"
same "by its file" "$id" "$(moon cert show "$work/audi22.pem" | json '["certificateId"]')"
moon policy attach default "cert:$work/audi22.pem"
moon thing detach audi22 "cert:$fingerprint"; moon thing attach audi22 "cert:$work/audi22.pem"
refused cert show "$0"; grep -q "registry.sh: " "$work/refused" || fail "$(cat "$work/refused")"
refused cert show 12; refused thing nonsense; refused group add north nobody

# It works as printed, and not any more when it is revoked.
publish() {
  mosquitto_pub -h localhost -p "$tls_port" --cafile "$work/data/tls/ca.pem" --cert "$work/audi22.pem" \
    --key "$work/audi22.key" -i audi22 -q 1 -t iot/audi22 -m 1 "$@" 2>/dev/null
}
publish || fail "the certificate does not work"

# Members.
moon thing create vw1
moon group add fleet vw1 audi22
same "things" 2 "$(moon group show fleet | json '["things"]')"
moon group remove fleet vw1
same "things" 1 "$(moon group show fleet | json '["things"]')"
same "list" 2 "$(moon thing ls | wc -l)"
moon cert ls >"$work/certs"
grep -q "things: audi22" "$work/certs" || fail "$(cat "$work/certs")"

# Search, over registry, connections and shadows.
found() { moon thing search "$1" | awk '{ print $1 }' | tr '\n' ' ' | sed 's/ $//'; }
same "by attribute" audi22 "$(found 'attributes.model:au*')"
same "by group" "audi22" "$(found 'thingGroupNames:fleet AND NOT thingName:vw1')"
same "in any case" "audi22 vw1" "$(found 'thingName:AUDI22 OR VW1')"
same "by type" audi22 "$(moon thing ls --type car --group fleet | awk '{ print $1 }')"
same "none" "" "$(found 'attributes.model:bmw')"
refused thing search 'model:audi'; grep -q "model is no field" "$work/refused" || fail "$(cat "$work/refused")"
stdbuf -oL mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -i vw1 -t x -d >"$work/vw1" 2>&1 &
vw1=$!
remember "$vw1"
wait_for 10 grep -q '^Subscribed' "$work/vw1"
connected() { [ "$(found 'connectivity.connected:true')" = vw1 ]; }
wait_for 10 connected
{ kill -9 "$vw1" && wait "$vw1"; } 2>/dev/null || true
gone() { [ "$(found 'connectivity.disconnectReason:CONNECTION_LOST AND connectivity.timestamp>1700000000000')" = vw1 ]; }
wait_for 10 gone
same "not connected" "audi22 vw1" "$(found 'NOT connectivity.connected:true')"
moon shadow update audi22 '{"state":{"reported":{"battery":70,"doors":["open","shut"]}}}' >/dev/null
moon shadow update vw1 '{"state":{"reported":{"battery":20}}}' >/dev/null
moon shadow update vw1 --name cabin '{"state":{"desired":{"warm":true}}}' >/dev/null
same "by shadow" audi22 "$(found 'shadow.reported.battery>50')"
same "range" "audi22 vw1" "$(found 'shadow.reported.battery:[20 TO 70]')"
same "array" audi22 "$(found 'shadow.reported.doors:shut')"
same "named shadow" vw1 "$(found 'shadow.name.cabin.desired.warm:true')"
same "all together" audi22 "$(found 'thingTypeName:car shadow.reported.battery>50 -shadow.name.cabin.desired.warm:true')"
same "lines" 1 "$(moon thing ls -n 1 | wc -l)"

# The same after a restart.
moon thing show audi22 | sed '/connectivity/,$d' >"$work/before"
own=$(openssl x509 -in "$work/data/tls/ca.pem" -noout -fingerprint -sha256 | tr -d ':' | sed 's/.*=//' | tr A-F a-f)
moon ca set "$own" --registration off
refused ca remove "$own"
stop_moonlet
start_moonlet "$work/functions" --mqtts 127.0.0.1:0
moon ca ls >"$work/cas"
grep -q "^$own  off .*(the host's own" "$work/cas" || fail "$(cat "$work/cas")"
moon thing show audi22 | sed '/connectivity/,$d' >"$work/after"
cmp "$work/before" "$work/after" || fail "the thing has changed"
refused cert revoke nobody
moon cert revoke "$id"
same "status" REVOKED "$(moon cert show "$id" | json '["status"]')"
refused cert activate "$id"
moon thing delete audi22
refused thing show audi22

# Authorities: what they have signed is refused, waits, or is let in.
make_ca() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" \
    -keyout "$work/$1.key" -out "$work/$1.pem" 2>/dev/null
}
sign() { # CA NAME
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$2.key" -out "$work/$2.csr" -subj "/CN=$2" 2>/dev/null
  openssl x509 -req -in "$work/$2.csr" -CA "$work/$1.pem" -CAkey "$work/$1.key" -CAcreateserial -CAserial "$work/serial" \
    -days 10 -out "$work/$2.pem" 2>/dev/null
}
id_of() { openssl x509 -in "$work/$1.pem" -noout -fingerprint -sha256 | tr -d ':' | sed 's/.*=//' | tr A-F a-f; }
publish_as() {
  mosquitto_pub -h localhost -p "$tls_port" --cafile "$work/data/tls/ca.pem" --cert "$work/$1.pem" --key "$work/$1.key" \
    -i "$1" -q 1 -t "iot/$1" -m 1 2>/dev/null
}
tls_port=$(sed -n 's/.*MQTT over TLS on .*:\([0-9]*\)$/\1/p' "$work/moonlet.log")
make_ca plant
make_ca shop
for name in car1 car2 car3; do sign plant "$name"; done
! publish_as car1 || fail "an unknown authority's certificate is let in"
moon ca add "$work/plant.pem"
moon ca ls >"$work/cas"
grep -q "off *CN=plant" "$work/cas" || fail "$(cat "$work/cas")"
plant=$(id_of plant)
wait_for 10 grep -q "certificates and keys have been read again" "$work/moonlet.log"
! publish_as car1 || fail "off lets it in"
grep -q "is not registered, and its authority CN=plant registers none" "$work/moonlet.log" || fail "no reason in the log"
refused cert show "$(id_of car1)"

moon ca set "$plant" --registration pending
stdbuf -oL mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -q 1 -t '$aws/events/certificates/registered/#' -F '%t %p' -d >"$work/events" 2>&1 &
remember $!
wait_for 10 grep -q '^Subscribed' "$work/events"
! publish_as car1 || fail "pending lets it in"
same "status" PENDING_ACTIVATION "$(moon cert show "$(id_of car1)" | json '["status"]')"
wait_for 10 grep -q "^.aws/events/certificates/registered/$plant {\"certificateId\":\"$(id_of car1)\",\"caCertificateId\":\"$plant\".*PENDING_ACTIVATION" "$work/events"
moon cert activate "$(id_of car1)"
! publish_as car1 || fail "it has no policy, and is let in"
moon thing create car1
moon cert attach "$(id_of car1)" car1
printf '%s\n' "{\"kind\":\"certificate\",\"certificateId\":\"$(id_of car1)\",\"policies\":[\"default\"]}" | moon thing import - >/dev/null
publish_as car1 || fail "activated, with thing and policy, it is refused"

moon ca set "${plant:0:8}" --registration provision
publish_as car2 || fail "provision refuses it"
same "its thing" car2 "$(moon cert show "$(id_of car2)" | json '["things"][0]')"
same "authority" "$plant" "$(moon cert show "$(id_of car2)" | json '["caCertificateId"]')"
moon cert revoke "$(id_of car2)"
! publish_as car2 || fail "a revoked one is let in"
refused cert delete "$(id_of car2)"; grep -q "registered anew" "$work/refused" || fail "$(cat "$work/refused")"

# One that nobody knows the authority of is let in when it is registered itself.
sign shop solo
! publish_as solo || fail "unknown, and let in"
same "the id of what was registered" "$(id_of solo)" "$(moon cert register "$work/solo.pem" --policy default)"
moon thing create solo
moon cert attach "$(id_of solo)" solo
publish_as solo || fail "registered, and refused"

# A live connection ends with its certificate.
stdbuf -oL mosquitto_sub -h localhost -p "$tls_port" --cafile "$work/data/tls/ca.pem" --cert "$work/solo.pem" --key "$work/solo.key" \
  -i solo/live -t iot/solo -d >"$work/live" 2>&1 &
live=$!
remember "$live"
wait_for 10 grep -q '^Subscribed' "$work/live"
moon cert revoke "$(id_of solo)"
wait_for 10 grep -q "received DISCONNECT\|The connection was lost\|sending CONNECT$" "$work/live" || fail "still connected"
wait_for 10 grep -q "solo/live.*not valid any more" "$work/moonlet.log"

moon ca remove "${plant:0:6}"
refused ca remove "$(id_of shop)"
refused ca add "$work/audi22.pem"; grep -q "no authority" "$work/refused" || fail "$(cat "$work/refused")"

# All of it as lines, and back into an empty host.
moon type deprecate car
moon thing export >"$work/fleet.jsonl"
python3 -c 'import json,sys; [json.loads(l) for l in open(sys.argv[1])]' "$work/fleet.jsonl"
stop_moonlet
rm -r "$work/data"
start_moonlet "$work/functions"
moon thing import "$work/fleet.jsonl" >"$work/imported"
same "entries" "$(wc -l <"$work/fleet.jsonl") entries imported" "$(cat "$work/imported")"
moon thing export >"$work/again.jsonl"
strip() { sed 's/,"ofOwner":[a-z]*//' "$1" | sort; }
[ "$(strip "$work/fleet.jsonl")" = "$(strip "$work/again.jsonl")" ] ||
  fail "not the same: $(diff <(strip "$work/fleet.jsonl") <(strip "$work/again.jsonl"))"
moon thing import "$work/fleet.jsonl" >/dev/null
moon thing export | cmp - "$work/again.jsonl" || fail "an import of what is there changes it"
printf '%s\n\n' '{"kind":"thing","thingName":"one"}' >"$work/bad.jsonl"
printf '%s\n' '{"kind":"thing","thingName":"two","thingGroupNames":["nowhere"]}' >>"$work/bad.jsonl"
refused thing import "$work/bad.jsonl"
grep -q "bad.jsonl:3: there is no group nowhere" "$work/refused" || fail "$(cat "$work/refused")"
moon thing show one >/dev/null
refused thing show two

# Without a host it says so.
stop_moonlet
refused thing ls; grep -q "moonlet run" "$work/refused" || fail "$(cat "$work/refused")"
