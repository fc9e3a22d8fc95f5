#!/bin/bash
# Several certificates: each client gets the one for the name that it calls.
. "$(dirname "$0")/lib.sh"
need openssl curl

mkdir -p "$work/functions" "$work/pairs"
# make NAME SUBJECT [ALTERNATIVE_NAMES]: a pair that signs itself.
make() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/pairs/$1.key" -out "$work/pairs/$1.pem" \
    -subj "/CN=$2" -days 2 ${3:+-addext "subjectAltName=$3"} 2>/dev/null
}
make default fallback DNS:localhost
make plant plant DNS:plant.example,DNS:gateway.plant.example,IP:127.0.0.1
make wild wild 'DNS:*.cars.example'
make bare bare.example
start_moonlet "$work/functions" --mqtts 127.0.0.1:0 --tls-certificate "$work/pairs"
port=$(sed -n 's/.*MQTT over TLS on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/moonlet.log")

# shown [OPTION...]: the common name of the certificate that a client gets.
shown() {
  { openssl s_client -connect "127.0.0.1:$port" "$@" </dev/null 2>/dev/null || true; } | openssl x509 -noout -subject | sed 's/.*CN = //'
}
# gets EXPECTED NAME
gets() { same "certificate for $2" "$1" "$(shown -servername "$2")"; }

echo "by name, by wildcard, by common name, and for all others the default"
same "without a name" fallback "$(shown -noservername)"
gets plant plant.example
gets plant GATEWAY.Plant.Example
gets wild audi22.cars.example
gets fallback cars.example
gets fallback x.audi22.cars.example
gets fallback evilcars.example
gets bare.example bare.example
gets fallback elsewhere.example
gets fallback 'pl ant.example'
gets plant plant.example
same "a name in an earlier TLS" wild "$(shown -tls1_2 -servername golf.cars.example)"
curl -s -o /dev/null --cacert "$work/pairs/plant.pem" --resolve "plant.example:$port:127.0.0.1" "https://plant.example:$port/healthz" ||
  fail "no HTTPS by name"

echo "another pair while it runs"
make new new DNS:new.example
kill -HUP "$moonlet_pid"
is_new() { [ "$(shown -servername new.example)" = new ]; }
wait_for 10 is_new

echo "a key of another certificate changes nothing, and is named"
cp "$work/pairs/plant.key" "$work/pairs/new.key"
kill -HUP "$moonlet_pid"
wait_for 10 grep -q "stay as they were: .*new.pem: the key is not the certificate's" "$work/moonlet.log"
gets new new.example
rm "$work/pairs/new.key"
kill -HUP "$moonlet_pid"
wait_for 10 grep -q 'stay as they were: .*new.key' "$work/moonlet.log"
stop_moonlet
same "exit status" 0 "$moonlet_status"

echo "a folder without certificates"
mkdir "$work/empty"
if "$moonlet" run --functions "$work/functions" --data "$work/data" --mqtt off --http off --mqtts 127.0.0.1:0 --tls-certificate "$work/empty" \
  >"$work/refused.out" 2>&1; then fail "started without a certificate"; fi
grep -q 'no certificate in the folder' "$work/refused.out" || fail "not told: $(cat "$work/refused.out")"
