#!/bin/bash
# What a client of another machine gets from a host with nothing but listeners configured. The other
# machine is an address that is not loopback, in a network of the test's own.
if [ "${1:-}" != inside ]; then
  unshare --net true 2>/dev/null || { echo "skipped: no network of its own can be made" >&2; exit 77; }
  command -v ip >/dev/null || { echo "skipped: ip is not installed" >&2; exit 77; }
  exec unshare --net "$0" inside
fi
. "$(dirname "$0")/lib.sh"
need curl mosquitto_pub mosquitto_sub
ip link set lo up
ip addr add 192.0.2.1/32 dev lo
address=192.0.2.1

mkdir -p "$work/functions"
"$moonlet" run --functions "$work/functions" --data "$work/data" --mqtt "$address:0" --http "$address:0" --https "$address:0" \
  --user root >"$work/moonlet.log" 2>&1 &
moonlet_pid=$!
remember "$moonlet_pid"
wait_for 20 moonlet_is_ready
port() { sed -n "s/.*$1 on 192\.0\.2\.1:\([0-9]*\).*/\1/p" "$work/moonlet.log" | tail -1; }
mqtt=$(port MQTT) http=$(port HTTP) https=$(port HTTPS)
cmd() { "$moonlet" "$1" --data "$work/data" "${@:2}"; }
status() { curl -s -o "$work/answer" -w '%{http_code}' --cacert "$work/data/tls/ca.pem" "$@"; }

echo "figures, and how the host is"
same "metrics" 403 "$(status "http://$address:$http/metrics")"
same "metrics by TLS" 403 "$(status "https://$address:$https/metrics")"
same "healthz" 200 "$(status "http://$address:$http/healthz")"
same "its answer" '{"status":""}' "$(tr -d ' \t\n' <"$work/answer" | sed 's/:"[a-z]*"/:""/')"

echo "the data plane"
same "plain" 403 "$(status -d x "http://$address:$http/topics/x")"
code=$(status -d x "https://$address:$https/topics/x")
[ "$code" = 401 ] || [ "$code" = 403 ] || fail "a client without credentials publishes: $code"
same "shadows" "$code" "$(status "https://$address:$https/things/x/shadow")"

echo "MQTT"
refused() { ! timeout 120 mosquitto_pub -h "$address" -q 1 -t x -m x "$@" >"$work/refused.out" 2>&1 || fail "let in: $*"; }
refused -p "$mqtt"
refused -p "$https" --cafile "$work/data/tls/ca.pem" --tls-alpn mqtt
echo right >"$work/password"
echo '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}' >"$work/all.json"
cmd policy create all "$work/all.json" >/dev/null
cmd user add fritz --password-file "$work/password" --policy all >/dev/null
refused -p "$mqtt" -u fritz -P right
refused -p "$https" --cafile "$work/data/tls/ca.pem" --tls-alpn mqtt -u fritz -P wrong
mosquitto_pub -h "$address" -p "$https" --cafile "$work/data/tls/ca.pem" --tls-alpn mqtt -q 1 -t x -m x -u fritz -P right
same "publish by TLS with a password" 200 "$(status -u fritz:right -d x "https://$address:$https/topics/x?qos=1")"
stop_moonlet
same "exit status" 0 "$moonlet_status"
