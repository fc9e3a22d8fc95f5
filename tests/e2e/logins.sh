#!/bin/bash
# Clients that show a password, a token, a JWT, or whatever the custom authorizer knows; by MQTT and by
# HTTP. And clients that show nothing.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub curl openssl python3

mkdir -p "$work/functions" "$work/keys"
cat >"$work/functions/doorman.lua" <<'LUA'
return {
  on = { authorizer = true },
  handler = function(event)
    local shown = event.protocolData.mqtt or event.protocolData.http
    if shown.username == "crash" then error("a secret: " .. tostring(shown.password)) end
    return {
      isAuthenticated = shown.password == base64.encode("open" .. " sesame"),
      principalId = shown.username,
      refreshAfterInSeconds = 3600,
      policyDocuments = { { Version = "2012-10-17", Statement = { {
        Effect = "Allow", Action = "iot:*", Resource = { "client/*", "topic/guests/*", "topicfilter/guests/*" },
      } } } },
    }
  end,
}
LUA

# --- an identity provider ---
python3 - "$work/keys" <<'PYTHON' &
import http.server, os, sys
os.chdir(sys.argv[1])
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        open("asked", "a").write("x\n")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port.new", "w").write(str(server.server_port))
os.rename("port.new", "port")
server.serve_forever()
PYTHON
provider=$!
remember $provider
wait_for 20 test -s "$work/keys/port"

unhex() { python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))'; }
b64() { base64 -w0 | tr '+/' '-_' | tr -d '='; }
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/rsa.key" 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/ec.key" 2>/dev/null
modulus() { openssl rsa -in "$work/rsa.key" -noout -modulus 2>/dev/null | cut -d= -f2 | unhex | b64; }
point() { openssl pkey -in "$work/ec.key" -pubout -outform der | tail -c 64 | "$@" -c 32 | b64; }
printf '{"keys":[{"kty":"RSA","use":"sig","kid":"r1","n":"%s","e":"AQAB"}]}' "$(modulus)" >"$work/keys/jwks.json"

# jwt KEY HEADER CLAIMS
jwt() {
  local text
  text=$(printf '%s' "$2" | b64).$(printf '%s' "$3" | b64)
  printf '%s' "$text." >"$work/jwt"
  if [ "$1" = rsa ]; then
    printf '%s' "$text" | openssl dgst -sha256 -sign "$work/rsa.key" | b64 >>"$work/jwt"
  else # from DER to r and s
    printf '%s' "$text" | openssl dgst -sha256 -sign "$work/ec.key" | openssl asn1parse -inform der |
      sed -n 's/.*INTEGER *:0*\([0-9A-F]*\)$/\1/p' | while read -r number; do printf '%64s' "$number" | tr ' ' 0; done |
      unhex | b64 >>"$work/jwt"
  fi
  cat "$work/jwt"
}
claims() { printf '{"iss":"https://id.example","aud":"moonlet","sub":"%s","exp":%d,"policies":["fleet"]}' "$1" $(($(date +%s) + $2)); }

start_moonlet "$work/functions" --https 127.0.0.1:0 --anonymous none --authorizer doorman \
  --jwt-jwks-url "http://127.0.0.1:$(cat "$work/keys/port")/jwks.json" --jwt-issuer https://id.example --jwt-audience moonlet
https_port=$(sed -n 's/.*HTTPS on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/moonlet.log")
host() { "$moonlet" "$@" --data "$work/data"; }
pub() { timeout 120 mosquitto_pub -p "$mqtt_port" -V 5 -q 1 "$@"; }
# refused WHAT REASON COMMAND...: mosquitto_pub says so, but not by its status where a message is refused.
refused() {
  local what=$1 reason=$2
  shift 2
  "$@" >"$work/refused" 2>&1 || true
  grep -qi "$reason" "$work/refused" || fail "$what: not '$reason': $(cat "$work/refused")"
}
status_of() { curl -s -o /dev/null -w '%{http_code}' --cacert "$work/data/tls/ca.pem" "https://localhost:$https_port/topics/$1?qos=1" -d x "${@:2}"; }

cat >"$work/fleet.json" <<'JSON'
{ "Version": "2012-10-17", "Statement": [
  { "Effect": "Allow", "Action": "iot:Connect", "Resource": "client/${iot:ClientId}" },
  { "Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": "topic/fleet/*" },
  { "Effect": "Allow", "Action": "iot:Subscribe", "Resource": "topicfilter/fleet/*" },
  { "Sid": "noAlarms", "Effect": "Deny", "Action": "iot:Publish", "Resource": "topic/fleet/alarm" } ] }
JSON
host policy create fleet "$work/fleet.json"

echo "nobody"
refused "who shows nothing" 'not authorized' pub -i a -t fleet/a -m x

echo "a password"
echo "correct horse" | host user add fritz --policy fleet
refused "a wrong password" 'bad user' pub -i a -u fritz -P wrong -t fleet/a -m x
pub -i a -u fritz -P 'correct horse' -t fleet/a -m x
refused "what is denied" 'not authorized' pub -i a -u fritz -P 'correct horse' -t fleet/alarm -m x
wait_for 20 grep -q 'statement 4, noAlarms of policy fleet denies it' "$work/moonlet.log"
same "HTTP's Basic" 200 "$(status_of fleet/a -u 'fritz:correct horse')"
same "HTTP's Basic, elsewhere" 403 "$(status_of other -u 'fritz:correct horse')"
same "HTTP's Basic, wrong" 401 "$(status_of fleet/a -u fritz:wrong)"
stdbuf -oL timeout 120 mosquitto_sub -p "$mqtt_port" -V 5 -i s -u fritz -P 'correct horse' -t 'fleet/#' -d >"$work/heard" 2>&1 &
remember $!
wait_for 20 grep -q '^Subscribed' "$work/heard"
echo "another one" | host user passwd fritz
wait_for 20 grep -q 'Received DISCONNECT (135)' "$work/heard"
refused "the old password" 'bad user' pub -i a -u fritz -P 'correct horse' -t fleet/a -m x
pub -i a -u fritz -P 'another one' -t fleet/a -m x
host user delete fritz
refused "a user that is gone" 'bad user' pub -i a -u fritz -P 'another one' -t fleet/a -m x

echo "what is refused changes nothing"
says() { local text=$1; shift; "$@" >"$work/said" 2>&1 && fail "$*: not refused"; grep -q "$text" "$work/said" || fail "$*: $(cat "$work/said")"; }
echo pw | host user add anna
says 'anna is there already' host user add anna --policy fleet <<<other
host user ls | holds '^anna .*none: it may do nothing' || fail "a refused command has changed rights: $(host user ls)"
says 'there is no user nobody' host user passwd nobody <<<pw
says 'there is no policy nosuch' host user add karl --policy nosuch <<<pw
printf 'a\0b\n' >"$work/pw"
says 'no zero' host user add karl <"$work/pw"
printf '%300s' x | tr ' ' x >"$work/pw"
says 'at most 256' host user add karl <"$work/pw"
says 'no password came' host user add karl </dev/null
says 'a time like' host token create short --expires 0d
same "users" 1 "$(host user ls | wc -l)"
host user delete anna

echo "a token"
token=$(host token create billing --policy fleet --expires 1d)
pub -i b -u whoever -P "$token" -t fleet/b -m x
same "HTTP's Bearer" 200 "$(status_of fleet/b -H "Authorization: Bearer $token")"
refused "another token" 'bad user' pub -i b -u whoever -P "${token}x" -t fleet/b -m x
host token revoke billing
same "a revoked token" 401 "$(status_of fleet/b -H "Authorization: Bearer $token")"

echo "a JWT"
good=$(jwt rsa '{"alg":"RS256","kid":"r1"}' "$(claims driver7 600)")
pub -i c -u jwt -P "$good" -t fleet/c -m x
same "HTTP's Bearer" 200 "$(status_of fleet/c -H "Authorization: Bearer $good")"
refused "one that has expired" 'bad user' pub -i c -u jwt -P "$(jwt rsa '{"alg":"RS256","kid":"r1"}' "$(claims driver7 -120)")" -t fleet/c -m x
refused "a changed one" 'bad user' pub -i c -u jwt -P "$(printf '%s' "$good" | sed 's/.$/A/; s/\.[^.]*\./.'"$(claims root 600 | b64)"'./')" -t fleet/c -m x
refused "one that names a policy that there is not" 'not authorized' pub -i c -u jwt \
  -P "$(jwt rsa '{"alg":"RS256","kid":"r1"}' "$(claims driver7 600 | sed 's/"fleet"/"fleet","gone"/')")" -t fleet/c -m x
wait_for 20 grep -q 'its jwt names the policy gone, which there is not' "$work/moonlet.log"
refused "one without a signature" 'bad user' pub -i c -u jwt -P "$(printf '{"alg":"none"}' | b64).$(claims root 600 | b64).eA" -t fleet/c -m x
for name in head tail; do eval "$name=\$(point $name)"; done
printf '{"keys":[{"kty":"EC","crv":"P-256","kid":"e1","x":"%s","y":"%s"},{"kty":"RSA","kid":"r1","n":"%s","e":"AQAB"}]}' \
  "$head" "$tail" "$(modulus)" >"$work/keys/jwks.json"
same "keys are fetched once" 1 "$(lines "$work/keys/asked")"
new=$(jwt ec '{"alg":"ES256","kid":"e1"}' "$(claims driver8 600)")
wait_for 30 pub -i c -u jwt -P "$new" -t fleet/c -m x # an unknown key is asked for again, but not at once
kill $provider
wait $provider 2>/dev/null || true
pub -i c -u jwt -P "$good" -t fleet/c -m x

echo "the authorizer"
pub -i d -u guest -P 'open sesame' -t guests/d -m x
pub -i d -u guest -P 'open sesame' -t guests/d -m y
refused "beyond its policy" 'not authorized' pub -i d -u guest -P 'open sesame' -t fleet/d -m x
refused "a no" 'bad user' pub -i d -u guest -P 'open barley' -t guests/d -m x
refused "a crash" 'unavailable' pub -i d -u crash -P 'open sesame' -t guests/d -m x
same "by HTTP" 200 "$(status_of guests/d -u 'guest:open sesame')"
# Also asked: about the user that is gone.
same "its answers are remembered" 5 "$(host ls --json | grep '"invocations"' | tr -dc 0-9)"
wait_for 20 bash -c "'$moonlet' trace --json --data '$work/data' | grep -q doorman"

stop_moonlet
same "exit status" 0 "$moonlet_status"
! grep -rqaE "correct horse|open sesame|another one|$(printf 'open sesame' | base64)" "$work/data" || fail "a password stands in the data folder"
! grep -qE "correct horse|another one|$token" "$work/moonlet.log" || fail "a secret stands in the log"
