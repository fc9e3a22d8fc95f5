#!/bin/bash
# MQTT by WebSocket: the door to it, frames by hand, and MQTT.js over ws:// and wss:// where it
# is installed.
. "$(dirname "$0")/lib.sh"
need python3

start_moonlet "$work/functions" --mqtts 127.0.0.1:0 --https 127.0.0.1:0 --ws-origins 'same https://panel.example'
https_port=$(sed -n 's/.*HTTPS on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/moonlet.log")
key='Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='

# ask STATUS HEADER...: what the server says to a request for a WebSocket.
ask() {
  local status=$1
  shift
  python3 - "$http_port" "$@" >"$work/head" <<'END'
import socket, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=120)
lines = ["GET /mqtt HTTP/1.1", "Host: 127.0.0.1:" + sys.argv[1], *sys.argv[2:]]
sock.sendall("".join(line + "\r\n" for line in lines + [""]).encode())
head = b""
while b"\r\n\r\n" not in head:
    more = sock.recv(4096)
    assert more, head
    head += more
print(head.split(b"\r\n\r\n")[0].decode())
END
  same "status for: $*" "$status" "$(sed -n '1s/^[^ ]* \([0-9]*\).*/\1/p' "$work/head")"
}
open=('Connection: keep-alive, Upgrade' 'Upgrade: websocket')

echo "the door"
ask 426
grep -qi '^Sec-WebSocket-Version: 13' "$work/head" || fail "no version"
ask 426 "${open[@]}" 'Sec-WebSocket-Version: 8' "$key" 'Sec-WebSocket-Protocol: mqtt'
ask 400 "${open[@]}" 'Sec-WebSocket-Version: 13' 'Sec-WebSocket-Key: short' 'Sec-WebSocket-Protocol: mqtt'
ask 400 "${open[@]}" 'Sec-WebSocket-Version: 13' "$key"
ask 400 "${open[@]}" 'Sec-WebSocket-Version: 13' "$key" 'Sec-WebSocket-Protocol: chat'
ask 403 "${open[@]}" 'Sec-WebSocket-Version: 13' "$key" 'Sec-WebSocket-Protocol: mqtt' 'Origin: https://evil.example'
for origin in "http://127.0.0.1:$http_port" https://panel.example; do
  ask 101 "${open[@]}" 'Sec-WebSocket-Version: 13' "$key" 'Sec-WebSocket-Protocol: chat, mqtt' "Origin: $origin"
done
ask 101 "${open[@]}" 'Sec-WebSocket-Version: 13' "$key" 'Sec-WebSocket-Protocol: mqttv3.1'
grep -qi '^Sec-WebSocket-Protocol: mqttv3.1' "$work/head" || fail "the subprotocol is not told"
grep -qi '^Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=' "$work/head" || fail "a wrong answer to the key"

echo "frames"
python3 "$tests_dir/e2e/client_ws.py" "$http_port"

modules=${MOONLET_NODE_MODULES:-$build_dir/clients/node_modules}
if command -v node >/dev/null && [ -d "$modules/mqtt" ]; then
  js() { NODE_PATH=$modules node "$tests_dir/e2e/client_ws.js" "$@"; }
  "$moonlet" thing create panel --cert --data "$work/data" --out "$work" >/dev/null
  mine=("$work/data/tls/ca.pem" - "$work/panel.pem" "$work/panel.key" panel)
  echo "MQTT.js, ws"
  js "ws://127.0.0.1:$http_port/mqtt"
  echo "MQTT.js, wss"
  js "wss://localhost:$https_port/mqtt" "${mine[@]}"
  ! js "wss://localhost:$https_port/mqtt" "$work/data/tls/ca.pem" 2>/dev/null || fail "nobody may connect by wss"
  echo "MQTT.js, mqtts on the port of https, without ALPN"
  js "mqtts://localhost:$https_port" "${mine[@]}"
  js "ws://127.0.0.1:$http_port/mqtt" - https://evil.example 2>"$work/evil" && fail "a page from elsewhere may connect"
  grep -q '403' "$work/evil" || fail "a page from elsewhere: $(cat "$work/evil")"
else
  echo "MQTT.js is not installed"
fi
kill -0 "$moonlet_pid"
stop_moonlet
same "exit status" 0 "$moonlet_status"
