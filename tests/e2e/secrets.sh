#!/bin/bash
# Secrets that pass through the host stand afterwards in no log, trace, answer of a command or file.
. "$(dirname "$0")/lib.sh"
need curl mosquitto_pub python3

mkdir -p "$work/functions"
python3 - >"$work/peer.port" <<'END' &
import http.server
class Peer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Set-Cookie", "session=planted-in-cookie")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Peer)
print(server.server_address[1], flush=True)
server.serve_forever()
END
remember $!
wait_for 10 test -s "$work/peer.port"
peer=http://127.0.0.1:$(cat "$work/peer.port")
url=$peer/in
# Everything that a handler can do wrong with a secret, in a run that fails and one that does not.
cat >"$work/functions/careless.lua" <<END
return {
  on = { { topic = "careless/+" }, { http = "POST /careless" } },
  allow = { secrets = "*", http = "$peer", publish = "out" },
  retries = 0,
  handler = function(event, context)
    local key = secrets.get("api_key")
    log.info("the key is " .. key)
    print("with it", { key = key })
    local url = event.url .. "?token=planted-in-parameter&n=1"
    local answer = http.post(url, { headers = { Authorization = "Bearer planted-by-header", ["X-Key"] = key },
      json = { key = key } })
    webhook.send("$peer/hook?secret=planted-in-hook", { a = 1 }, { headers = { Authorization = "planted-by-hook" } })
    pcall(http.get, "http://127.0.0.1:1/?api_key=planted-in-refused")
    pcall(http.get, "http://user:planted-in-userinfo@127.0.0.1/")
    if context.method then log.info("asked with", context.headers.authorization ~= nil) end
    if event.fail then error("no luck with " .. key .. " at " .. url:gsub("token=[^&]*", "token=?")) end
    mqtt.publish("out", "done")
    return "done"
  end,
}
END
cat >"$work/moonlet.lua" <<'END'
secrets = { api_key = "planted-in-configuration" }
broker = { url = "mqtt://plant:planted-for-broker@127.0.0.1:1", name = "plant" }
limits = { trace_sample = 1 }
END
start_moonlet "$work/functions" -c "$work/moonlet.lua" --log-level debug

echo "through the gateway"
pub() { mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -q 1 "$@" || true; }
pub -t careless/a -m "{\"url\":\"$url\"}"
pub -t careless/b -m "{\"url\":\"$url\",\"fail\":true}"
# Let in or not, that is another test's.
pub -u car7 -P planted-as-password -t x -m x 2>/dev/null
pub -u "car7?x-amz-customauthorizer-name=x&token=planted-in-username" -P planted-as-password -t x -m x 2>/dev/null
pub -V mqttv5 -i "" -u car8 -P planted-as-password -t 'careless/#' -m x 2>/dev/null
cmd() { "$moonlet" "$1" --data "$work/data" "${@:2}"; }
echo planted-as-users >"$work/password"
cmd user add fritz --password-file "$work/password" >/dev/null
token=$(cmd token create billing | grep -o '[A-Za-z0-9_-]\{40,\}' | head -1)
[ -n "$token" ] || fail "no token was printed"
for password in planted-as-users planted-as-wrong "$token"; do
  pub -u fritz -P "$password" -t x -m x 2>/dev/null
  curl -s -o /dev/null -u "fritz:$password" -d x "http://127.0.0.1:$http_port/topics/x?qos=1"
  curl -s -o /dev/null -H "Authorization: Bearer $password" -d x "http://127.0.0.1:$http_port/topics/x?qos=1"
done
curl -s -o /dev/null -H 'Authorization: Bearer planted-in-request' -H 'Cookie: planted-in-request' -d "{\"url\":\"$url\"}" \
  "http://127.0.0.1:$http_port/careless"
curl -s -o /dev/null -H 'Authorization: Basic planted-in-request' -d "{\"url\":\"$url\",\"fail\":true}" \
  "http://127.0.0.1:$http_port/careless?access_token=planted-in-query"
curl -s -o /dev/null -H 'Authorization: Bearer planted-in-request' -d x "http://127.0.0.1:$http_port/topics/x?qos=1"

echo "all of it has happened"
all_traced() { [ "$(cmd trace --json | grep -o '"id"' | wc -l)" -ge 4 ]; }
wait_for 20 all_traced
wait_for 10 bash -c "'$moonlet' failed --data '$work/data' | grep -q careless"
{
  cmd user ls; cmd user ls --json; cmd token ls; cmd token ls --json; cmd ls; cmd ls --json; cmd logs; cmd failed; cmd failed --json; cmd trace; cmd trace --json
  for id in $(cmd trace --json | grep -o '"id":[[:space:]]*"[0-9a-f]*"' | cut -d'"' -f4); do cmd trace "$id"; cmd trace "$id" --json; cmd trace "$id" --raw 2>&1; done
  for id in $(cmd failed --json | grep -o '"id":[[:space:]]*"[0-9a-f]*"' | cut -d'"' -f4); do cmd failed careless "$id"; cmd failed show "$id"; done
  curl -s "http://127.0.0.1:$http_port/healthz"; curl -s "http://127.0.0.1:$http_port/metrics"
  cmd check "$work/functions" -c "$work/moonlet.lua"
} >"$work/said" 2>&1 || true
grep -q 'the key is \*\*\*' "$work/moonlet.log" || fail "the log lacks the handler's line: $(tail -3 "$work/moonlet.log")"
grep -q 'no luck with \*\*\*' "$work/said" || fail "the failed event lacks its error"


echo "a run that is repeated is still the same"
id=$(cmd trace --json | grep -o '"id":[[:space:]]*"[0-9a-f]*"' | tail -1 | cut -d'"' -f4)
cmd replay "$id" --local >"$work/replayed" 2>&1 || fail "replay: $(cat "$work/replayed")"
if grep -q 'differs' "$work/replayed"; then fail "replay: $(cat "$work/replayed")"; fi

echo "and nothing of it is said"
# planted FILE...: fails where a secret stands in one, and says around what.
planted() {
  local found
  for file in "$@"; do
    found=$(grep -a -o -E '.{0,60}planted-.{0,40}' "$file" | tr -dc '[:print:]\n' | head -5) || true
    [ -z "$found" ] || fail "$file holds secrets: $found"
    if grep -a -q -e "$token" -e "$(printf fritz:planted-as-users | base64)" "$file"; then fail "$file holds a token or a password"; fi
  done
}
planted "$work/moonlet.log" "$work/said" "$work/replayed"
# The functions' sources, which traces keep, and what is written there, are theirs.
sed -i 's/planted-in-parameter/x/; s/planted-by-header/x/; s/planted-in-refused/x/; s/planted-in-userinfo/x/' "$work/functions/careless.lua"
echo "secrets = { api_key = 'planted-in-reload' } log_level = 'loud'" >"$work/moonlet.lua"
kill -HUP "$moonlet_pid"
wait_for 10 grep -q 'stays as it was' "$work/moonlet.log"
planted "$work/moonlet.log"
stop_moonlet
same "exit status" 0 "$moonlet_status"
planted "$work/moonlet.log"
for secret in configuration as-users as-wrong as-password in-username in-request in-cookie for-broker; do
  if grep -a -r -q "planted-.*$secret" "$work/data"; then fail "the data folder holds planted-$secret: $(grep -a -r -l "planted-.*$secret" "$work/data")"; fi
done
if grep -a -r -q -e "$token" "$work/data"; then fail "the data folder holds the token"; fi
