#!/bin/bash
# Functions behind HTTP routes, asked by curl and by bare sockets.
. "$(dirname "$0")/lib.sh"
need curl python3

functions=$work/functions
mkdir -p "$functions"
cat >"$functions/overspeed.lua" <<'LUA'
return {
  on = { http = "POST /overspeed" },
  handler = function(event) return { limit = 120, over = event.speed > 120 } end,
}
LUA
cat >"$functions/thing.lua" <<'LUA'
return {
  on = { { http = "GET /things/{thing}" }, { http = "DELETE /things/{thing}" } },
  handler = function(event, context)
    if context.method == "DELETE" then return end
    return { status = 201, headers = { ["X-Thing"] = context.params.thing }, json = { q = context.query.q } }
  end,
}
LUA
cat >"$functions/text.lua" <<'LUA'
return { on = { http = "POST /text" }, handler = function(event) return "you said " .. tostring(event) end }
LUA
cat >"$functions/broken.lua" <<'LUA'
return { on = { http = "GET /broken" }, retries = 0, handler = function() error("no luck") end }
LUA
cat >"$functions/endless.lua" <<'LUA'
return { on = { http = "GET /endless" }, retries = 0, timeout = "200ms", handler = function() while true do end end }
LUA
start_moonlet "$functions" --http-clients-max 2000
url=http://127.0.0.1:$http_port

ask() { curl -sS -m 120 "$@"; }
status() { curl -sS -m 120 -o "$work/body" -w '%{http_code}' "$@"; }

# Routes and what handlers return.
same "a table" '{"limit":120,"over":true}' "$(ask -d '{"speed":140}' "$url/overspeed" | python3 -c 'import json,sys; print(json.dumps(json.load(sys.stdin), sort_keys=True, separators=(",", ":")))')"
same "a string" 'you said hello' "$(ask -d hello "$url/text")"
same "status of a response" 201 "$(status "$url/things/a%2Fb?q=1%202")"
same "its json" '{"q":"1 2"}' "$(cat "$work/body")"
ask -D - -o /dev/null "$url/things/truck7" | holds -i '^x-thing: truck7' || fail "header of a response"
same "nothing" 204 "$(status -X DELETE "$url/things/a")"

# What goes wrong.
same "error" 500 "$(status "$url/broken")"
grep -q '"invocation":"' "$work/body" || fail "500 without the invocation: $(cat "$work/body")"
same "timeout" 504 "$(status "$url/endless")"
same "unknown path" 404 "$(status "$url/nowhere")"
same "other method" 405 "$(status -X PUT "$url/overspeed")"
ask -D - -o /dev/null -X OPTIONS "$url/things/a" | holds '^Allow: GET, HEAD, DELETE, OPTIONS' || fail "OPTIONS"
same "HEAD" 201 "$(status -I "$url/things/a")"
same "large body" 413 "$(head -c 300000 /dev/zero | status --data-binary @- "$url/text")"
same "chunked" 'you said abc' "$(printf abc | ask -H 'Transfer-Encoding: chunked' --data-binary @- "$url/text")"
same "wrong escape" 400 "$(status "$url/things/%zz")"
same "dots" 400 "$(status --path-as-is "$url/things/../text")"

# Bare sockets: what must not get through.
raw() { python3 - "$http_port" "$1" <<'PY'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 120)
s.sendall(sys.argv[2].encode().decode("unicode_escape").encode("latin-1"))
data = b""
while (piece := s.recv(65536)):
    data += piece
print(b" ".join(data.split(b" ")[1:2]).decode())
PY
}
same "both lengths" 400 "$(raw 'POST /text HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')"
same "two lengths" 400 "$(raw 'POST /text HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc')"
same "no host" 400 "$(raw 'GET /text HTTP/1.1\r\n\r\n')"
same "bare line feeds" 400 "$(raw 'GET /text HTTP/1.1\nHost: a\n\n')"
same "folded header" 400 "$(raw 'GET /text HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n')"
same "other version" 505 "$(raw 'GET /text HTTP/2.0\r\nHost: a\r\n\r\n')"
same "TLS on a plain port" 400 "$(raw '\x16\x03\x01\x02\x00\x01')"

# A client that leaves: its invocation goes on, and the next one is served.
curl -sS -m 0.05 "$url/endless" >/dev/null 2>&1 || true
same "after a client left" 'you said x' "$(ask -d x "$url/text")"

# Kept connections.
same "one connection" 1 "$(ask -d 1 "$url/text" -o /dev/null -w '%{num_connects}\n' --next -d 2 "$url/text" -o /dev/null -w '%{num_connects}\n' | awk '{n += $1} END {print n}')"

# A thousand at once: each is answered, by 200 or by a refusal that says when to come again.
python3 - "$http_port" >"$work/thousand" <<'PY'
import asyncio, collections, sys

async def ask(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /overspeed HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 13\r\n\r\n{\"speed\":140}")
    answer = await reader.read()
    writer.close()
    status = answer.split(b" ")[1].decode()
    return status if status == "200" or b"Retry-After:" in answer else status + " without Retry-After"

async def main():
    seen = collections.Counter(await asyncio.gather(*(ask(int(sys.argv[1])) for _ in range(1000))))
    print(sum(seen.values()), " ".join(sorted(seen)))

asyncio.run(asyncio.wait_for(main(), 300))
PY
case $(cat "$work/thousand") in
'1000 200' | '1000 200 429' | '1000 200 503' | '1000 200 429 503') ;;
*) fail "a thousand: $(cat "$work/thousand")" ;;
esac

# Two functions on one route: the second is refused, with file and line.
cat >"$functions/thief.lua" <<'LUA'
return { on = { http = "POST /overspeed" }, handler = function() end }
LUA
wait_for 5 grep -q 'thief.lua:[0-9]*: .*POST /overspeed.*overspeed already' "$work/moonlet.log"
same "the first keeps it" 200 "$(status -d '{"speed":1}' "$url/overspeed")"
failed() { curl -sS -m 120 "$url/healthz" | python3 -c 'import json, sys; print(json.load(sys.stdin)["functions_failed"])'; }
same "functions that cannot serve" 1 "$(failed)"
rm "$functions/thief.lua"
wait_for 5 grep -q 'thief is removed' "$work/moonlet.log"
same "none is left" 0 "$(failed)"

# Health and figures.
same "health" 200 "$(status "$url/healthz")"
python3 -c 'import json,sys; h = json.load(open(sys.argv[1])); assert h["status"] == "ok" or h["cage_missing"], h' "$work/body" || fail "healthz: $(cat "$work/body")"
same "metrics" 200 "$(status "$url/metrics")"
python3 "$tests_dir/e2e/metrics.py" "$work/body" || fail "metrics are not in Prometheus' form"
if command -v promtool >/dev/null; then
  promtool check metrics <"$work/body" || fail "promtool"
fi
grep -q '^moonlet_.*function="overspeed"' "$work/body" || fail "no figure of a function"
stop_moonlet
same "exit" 0 "$moonlet_status"
