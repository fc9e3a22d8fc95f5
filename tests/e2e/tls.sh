#!/bin/bash
# TLS with clients that people use: mosquitto's, curl and openssl's, with certificates of Moonlet's own
# authority and of one that the openssl command has made.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub openssl curl

IFS=$'\n' # the folder's name may have spaces
port_of() { sed -n "s/.*$1 on 127\.0\.0\.1:\([0-9]*\).*/\1/p" "$work/moonlet.log" | tail -1; }

# start [OPTION...]: with both TLS listeners. Sets mqtts_port, https_port.
start() {
  start_moonlet "$work/functions" --mqtts 127.0.0.1:0 --https 127.0.0.1:0 --anonymous all "$@"
  mqtts_port=$(port_of 'MQTT over TLS')
  https_port=$(port_of HTTPS)
}

# make_ca NAME, make_certificate CA NAME KIND [OPTION...]: by openssl, into $work.
make_ca() {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/$1.key" -out "$work/$1.pem" -subj "/CN=$1" -days 2 2>/dev/null
}
make_certificate() {
  local ca=$1 name=$2 extensions=$3
  shift 3
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$name.key" -out "$work/$name.csr" \
    -subj "/CN=$name" 2>/dev/null
  printf '%s\n' "$extensions" >"$work/$name.ext"
  openssl x509 -req -in "$work/$name.csr" -CA "$ca.pem" -CAkey "$ca.key" -CAcreateserial -CAserial "$work/serial" \
    -extfile "$work/$name.ext" -out "$work/$name.pem" "$@" 2>/dev/null
}
device='extendedKeyUsage=clientAuth'

own=$work/data/tls/ca
tls() { printf '%s\n' -h localhost -p "$mqtts_port" --cafile "${ca:-$own.pem}"; }
with() { printf '%s\n' --cert "$work/$1.pem" --key "$work/$1.key"; }

# roundtrip NAME [OPTION...]: one message there and back over TLS, on a topic of $thing, or NAME.
roundtrip() {
  local name=$1
  shift
  # shellcheck disable=SC2046
  stdbuf -oL mosquitto_sub $(tls) "$@" -q 1 -t "echo/${thing:-$name}" -C 1 -W 120 -d >"$work/$name.out" 2>&1 &
  remember $!
  wait_for 10 grep -q '^Subscribed' "$work/$name.out"
  # shellcheck disable=SC2046
  mosquitto_pub $(tls) "$@" -q 1 -t "echo/${thing:-$name}" -m "hello $name"
  wait_for 10 grep -q "^hello $name" "$work/$name.out"
}

refused() {
  # shellcheck disable=SC2046
  if timeout 120 mosquitto_pub $(tls) "$@" -q 1 -t x -m x >"$work/refused.out" 2>&1; then
    fail "not refused: $*"
  fi
}

start
echo "a certificate of our own making"
roundtrip anonymous
same "mode of the authority's key" 600 "$(stat -c %a "$own.key")"
same "mode of the server's key" 600 "$(stat -c %a "$work/data/tls/server.key")"
ca=/etc/ssl/certs/ca-certificates.crt refused
! curl -s "https://localhost:$https_port/healthz" >/dev/null || fail "curl trusts whom it does not know"
doubts() { [ "$(grep -c 'handshake with 127.0.0.1:[0-9]*: the peer has .*does it trust' "$work/moonlet.log")" -ge "$1" ]; }
wait_for 60 doubts 2

echo "devices' certificates"
(cd "$work" && "$moonlet" cert create golf7 --data "$work/data" >"$work/cert.out")
same "files" "./golf7.key ./golf7.pem $own.pem" "$(tr '\n' ' ' <"$work/cert.out" | sed 's/ $//')"
same "mode of the device's key" 600 "$(stat -c %a "$work/golf7.key")"
roundtrip golf7 $(with golf7)
openssl req -newkey rsa:2048 -nodes -keyout "$work/polo.key" -out "$work/polo.csr" -subj /CN=other 2>/dev/null
"$moonlet" cert create polo --out "$work" --csr "$work/polo.csr" --days 3 --data "$work/data" >/dev/null
roundtrip polo $(with polo)
! "$moonlet" cert create ../x --data "$work/data" 2>/dev/null || fail "a name with a slash"
make_certificate "$own" audi22 "$device"
roundtrip audi22 $(with audi22)
make_ca other
make_certificate "$work/other" stranger "$device"
refused $(with stranger)
make_certificate "$own" early "$device" -days -1
refused $(with early)
wait_for 5 grep -q 'CN=stranger) is refused' "$work/moonlet.log"
make_certificate "$own" server 'extendedKeyUsage=serverAuth'
# alert_for NAME: its number (RFC 5246 §7.2); the refusal comes behind the handshake.
alert_for() {
  # shellcheck disable=SC2046
  { timeout 120 openssl s_client -connect "127.0.0.1:$mqtts_port" $(with "$1" | sed 's/^--/-/') -ign_eof </dev/null 2>&1 || true; } |
    sed -n 's/.*SSL alert number \([0-9]*\).*/\1/p' | head -1
}
same "an unknown authority" 48 "$(alert_for stranger)"
same "a certificate that is over" 45 "$(alert_for early)"
same "a server's certificate" 43 "$(alert_for server)"

echo "large messages both ways"
head -c 187500 /dev/urandom | base64 -w0 >"$work/large"
stdbuf -oL mosquitto_sub $(tls) -q 1 -t large -C 20 -W 120 -d -F '%l' >"$work/large.out" 2>&1 &
remember $!
wait_for 10 grep -q '^Subscribed' "$work/large.out"
for _ in $(seq 20); do mosquitto_pub $(tls) -q 1 -t large -f "$work/large"; done
have_large() { [ "$(grep -c '^250000$' "$work/large.out")" -eq 20 ]; }
wait_for 20 have_large

echo "HTTPS, and both by ALPN on either port"
status_of() { curl -s -o /dev/null -w '%{http_code}' --cacert "$own.pem" "$1"; }
same "https" 200 "$(status_of "https://localhost:$https_port/healthz")"
same "https on the other port" 200 "$(status_of "https://127.0.0.1:$mqtts_port/healthz")"
mqtts_port=$https_port roundtrip alpn --tls-alpn mqtt
thing=audi22 mqtts_port=$https_port roundtrip amazon --tls-alpn x-amzn-mqtt-ca $(with audi22)
shake() { openssl s_client -connect "127.0.0.1:$mqtts_port" -CAfile "$own.pem" "$@" </dev/null 2>&1 || true; }
shake -alpn h2,http/1.1 >"$work/shake"
grep -q 'ALPN protocol: http/1.1' "$work/shake" || fail "no ALPN"
shake -alpn nonsense >"$work/shake"
grep -q 'no application protocol' "$work/shake" || fail "an unknown protocol is taken"

echo "what is too old or too weak"
shake -tls1_1 >"$work/shake"
grep -q 'Cipher is (NONE)' "$work/shake" || fail "TLS 1.1 is spoken"
shake -tls1_2 -cipher 'AES128-SHA:@SECLEVEL=0' >"$work/shake"
grep -q 'Cipher is (NONE)' "$work/shake" || fail "a cipher without forward secrecy is taken"

echo "sessions are resumed, with the certificate"
# shellcheck disable=SC2046
shake -tls1_2 $(with audi22 | sed 's/^--/-/') -sess_out "$work/session" >"$work/shake"
# shellcheck disable=SC2046
shake -tls1_2 $(with audi22 | sed 's/^--/-/') -sess_in "$work/session" >"$work/shake"
grep -q '^Reused' "$work/shake" || fail "not resumed"

echo "who is asked for a certificate"
shake -tls1_2 >"$work/shake"
grep -q 'Client Certificate Types' "$work/shake" || fail "none is asked for"
echo 'https_client = "none"' >"$work/moonlet.lua"
stop_moonlet
start -c "$work/moonlet.lua"
shake -tls1_2 >"$work/shake"
grep -q 'Client Certificate Types' "$work/shake" || fail "none is asked for, where https_client is none"
mqtts_port=$https_port shake -tls1_2 >"$work/shake"
grep -q 'Cipher is ECDHE' "$work/shake" || fail "no handshake without a certificate"
! grep -q 'Client Certificate Types' "$work/shake" || fail "HTTPS asks for one"
same "HTTP with a certificate on the other port" 200 "$(curl -s -o /dev/null -w '%{http_code}' --cacert "$own.pem" \
  $(with audi22) -d x "https://127.0.0.1:$mqtts_port/topics/echo/audi22")"

echo "bytes that are no TLS"
before=$(curl -s "http://127.0.0.1:$http_port/metrics" | sed -n 's/^moonlet_tls_failed_total //p')
for _ in 1 2 3; do (printf '\020\014\000\004MQTT\004\002\000\074\000\000' >"/dev/tcp/127.0.0.1/$mqtts_port") || true; done
failed() { [ "$(curl -s "http://127.0.0.1:$http_port/metrics" | sed -n 's/^moonlet_tls_failed_total //p')" -ge $((before + 3)) ]; }
wait_for 5 failed
roundtrip after

echo "a certificate that is required, an authority and a server's certificate from outside, and another one by SIGHUP"
stop_moonlet
same "exit status" 0 "$moonlet_status"
make_certificate "$work/other" localhost 'subjectAltName=DNS:localhost'
start --tls-client required --tls-ca "$work/other.pem" --tls-certificate "$work/localhost.pem" --tls-key "$work/localhost.key"
ca=$work/other.pem
thing=stranger roundtrip stranger2 $(with stranger)
thing=audi22 roundtrip audi22b $(with audi22)
refused
make_certificate "$work/other" localhost 'subjectAltName=DNS:localhost' -days 5
fingerprint() { shake $(with audi22 | sed 's/^--/-/') | openssl x509 -noout -fingerprint; }
old=$(fingerprint)
kill -HUP "$moonlet_pid"
renewed() { [ "$(fingerprint)" != "$old" ]; }
wait_for 10 renewed
echo nonsense >"$work/localhost.pem"
kill -HUP "$moonlet_pid"
wait_for 10 grep -q 'certificates stay as they were' "$work/moonlet.log"
thing=stranger roundtrip still $(with stranger)

echo "a key that is not the certificate's"
stop_moonlet
! "$moonlet" run --functions "$work/functions" --data "$work/data" --mqtt off --http off --mqtts 127.0.0.1:0 \
  --tls-certificate "$work/other.pem" --tls-key "$work/audi22.key" >"$work/wrong.log" 2>&1 || fail "it starts with a wrong key"
grep -q "the key is not the certificate's" "$work/wrong.log" || fail "it does not say why"
