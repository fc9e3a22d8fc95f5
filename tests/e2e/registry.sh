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

# The same after a restart.
moon thing show audi22 >"$work/before"
stop_moonlet
start_moonlet "$work/functions" --mqtts 127.0.0.1:0
moon thing show audi22 >"$work/after"
cmp "$work/before" "$work/after" || fail "the thing has changed"
refused cert revoke nobody
moon cert revoke "$id"
same "status" REVOKED "$(moon cert show "$id" | json '["status"]')"
refused cert activate "$id"
moon thing delete audi22
refused thing show audi22

# Authorities.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=Plant" \
  -keyout "$work/plant.key" -out "$work/plant.pem" 2>/dev/null
moon ca add "$work/plant.pem" --registration pending
moon ca ls >"$work/cas"
grep -q "pending *CN=Plant" "$work/cas" || fail "$(cat "$work/cas")"
plant=$(sed -n 's/ .*CN=Plant.*//p' "$work/cas")
moon ca set "$plant" --registration off
moon ca remove "$plant"
refused ca add "$work/audi22.pem"; grep -q "no authority" "$work/refused" || fail "$(cat "$work/refused")"

# Without a host it says so.
stop_moonlet
refused thing ls; grep -q "moonlet run" "$work/refused" || fail "$(cat "$work/refused")"
