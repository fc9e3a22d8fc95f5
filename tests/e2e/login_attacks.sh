#!/bin/bash
# Passwords and tokens that are to be refused, as somebody would make them who knows how others have been
# had: algorithms exchanged, keys brought along, claims twice. And a connection whose token ends.
. "$(dirname "$0")/lib.sh"
need openssl python3

mkdir -p "$work/functions" "$work/keys"
cat >"$work/provider.py" <<'PYTHON'
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
python3 "$work/provider.py" "$work/keys" 2>/dev/null &
remember $!
wait_for 20 test -s "$work/keys/port"
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/rsa.key" 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/ec.key" 2>/dev/null
python3 - "$work" <<'PYTHON'
import base64, json, subprocess, sys
work = sys.argv[1]
b64 = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
run = lambda *words: subprocess.run(["openssl", *words], capture_output=True, check=True).stdout
modulus = bytes.fromhex(run("rsa", "-in", work + "/rsa.key", "-noout", "-modulus").split(b"=")[1].decode())
point = run("pkey", "-in", work + "/ec.key", "-pubout", "-outform", "der")[-64:]
json.dump({"keys": [
    {"kty": "RSA", "use": "sig", "kid": "r1", "n": b64(modulus), "e": "AQAB"},
    {"kty": "EC", "crv": "P-256", "kid": "e1", "x": b64(point[:32]), "y": b64(point[32:])},
    {"kty": "oct", "kid": "o1", "k": b64(b"secret")}]}, open(work + "/keys/jwks.json", "w"))
PYTHON
start_moonlet "$work/functions" --anonymous none --connect-timeout 120s --jwt-jwks-url "http://127.0.0.1:$(cat "$work/keys/port")/jwks.json" \
  --jwt-issuer https://id.example --jwt-audience moonlet
echo '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}' >"$work/fleet.json"
"$moonlet" policy create fleet "$work/fleet.json" --data "$work/data"
echo 'correct horse' | "$moonlet" user add fritz --policy fleet --data "$work/data"
python3 "$tests_dir/e2e/login_attacks.py" "$mqtt_port" "$work/rsa.key" "$work/keys" || fail "see above"
grep -q 'log line' "$work/moonlet.log" && fail "a subject stands in the log"
stop_moonlet
same "exit status" 0 "$moonlet_status"
