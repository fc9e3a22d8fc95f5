#!/bin/bash
# Basic Ingest: messages on $aws/rules/<function>/... reach that function, and nobody else.
. "$(dirname "$0")/lib.sh"
need curl mosquitto_sub mosquitto_pub python3

mkdir -p "$work/functions"
# Says what it has seen; only.lua has no trigger at all, other.lua listens to everything.
for name in only named; do
  cat >"$work/functions/$name.lua" <<END
return {
  $([ $name = named ] && echo 'on = { topic = "cars/+" },')
  allow = { publish = "seen/#" },
  handler = function(event, context)
    mqtt.publish("seen/$name", { topic = context.topic, trigger = context.trigger, qos = context.qos,
      client = context.client_id, speed = event.speed, retain = context.retain, content = context.content_type })
  end,
}
END
done
cat >"$work/functions/other.lua" <<'END'
return {
  on = { { topic = "#" }, { topic = "$aws/rules/#" } },
  allow = { publish = "wrong/#" },
  handler = function(event, context)
    if context.topic:find("^%$aws") or context.topic:find("^cars") then mqtt.publish("wrong/other", context.topic) end
  end,
}
END
cat >"$work/functions/sends.lua" <<'END'
return {
  on = { topic = "go" },
  allow = { publish = "$aws/rules/#" },
  handler = function(event) mqtt.publish("$aws/rules/only/from/function", event) end,
}
END
start_moonlet "$work/functions"

stdbuf -oL mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -V mqttv5 -d -q 1 -t 'seen/#' -t 'wrong/#' -t '$aws/rules/#' -t '#' -F '%t %p' >"$work/heard" 2>&1 &
remember $!
wait_for 5 grep -q '^Subscribed' "$work/heard"
"$moonlet" sub --data "$work/data" '$aws/rules/#' >"$work/tap" 2>&1 &
remember $!

pub() { mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -m '{"speed":7}' -i car7 "$@"; }
# saw FUNCTION TOPIC QOS: and forgets it.
saw() {
  wait_for 10 grep -q "^seen/$1 .*\"topic\":\"$2\"" "$work/heard"
  grep "^seen/$1 .*\"topic\":\"$2\"" "$work/heard" | tail -1 >"$work/line"
  grep -q "\"qos\":$3[,}]" "$work/line" || fail "not with QoS $3: $(cat "$work/line")"
}

echo "each QoS, both protocols, a function without a trigger"
for version in mqttv311 mqttv5; do
  for qos in 0 1 2; do
    pub -V $version -q $qos -t "\$aws/rules/only/$version/q$qos"
    saw only "$version/q$qos" $qos
  done
done
grep -q '"client":"car7"' "$work/line" || fail "the client is not told: $(cat "$work/line")"
grep -q '"trigger":"topic"' "$work/line" || fail "another trigger: $(cat "$work/line")"

echo "whatever its own trigger is; without a topic behind the name; with properties"
pub -q 1 -t '$aws/rules/named/pumps/4'
saw named pumps/4 1
pub -q 1 -t '$aws/rules/named'
saw named "" 1
pub -V mqttv5 -q 1 -D publish content-type text/speed -t '$aws/rules/only/typed'
saw only typed 1
grep -q '"content":"text/speed"' "$work/line" || fail "no content type: $(cat "$work/line")"

echo "retained: by nobody"
pub -q 1 -r -t '$aws/rules/only/kept'
saw only kept 1
same "retained message" 404 "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$http_port/retainedMessage/%24aws/rules/only/kept")"

echo "by HTTP, by a function, by the command line"
same "HTTP" 200 "$(curl -s -o "$work/answer" -w '%{http_code}' -d '{"speed":9}' "http://127.0.0.1:$http_port/topics/\$aws/rules/only/by/http?qos=1")"
saw only by/http 1
pub -q 1 -t go
saw only from/function 0
"$moonlet" pub --data "$work/data" '$aws/rules/only/by/hand' '{"speed":1}'
wait_for 10 grep -q '"topic":"by/hand"' "$work/heard"

echo "by WebSocket"
python3 - "$http_port" <<'END'
import socket
import struct
import sys

sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
sock.sendall(b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")
topic = b"$aws/rules/only/by/websocket"
body = struct.pack(">H", len(topic)) + topic + b"\x00\x01" + b'{"speed":3}'
packets = bytes.fromhex("100c00044d515454040200000000") + b"\x32" + bytes([len(body)]) + body
sock.sendall(bytes([0x82, 0x80 | len(packets)]) + bytes(4) + packets)
data = b""
while b"\x40\x02\x00\x01" not in data:
    more = sock.recv(4096)
    assert more, data
    data += more
END
saw only by/websocket 1

echo "a name that no function has: acknowledged as any message is, counted, told"
for n in 1 2 3; do pub -q 1 -t "\$aws/rules/nobody/$n"; pub -q 2 -V mqttv5 -t "\$aws/rules/nobody/$n"; done
pub -q 1 -t '$aws/rules/'
same "HTTP" 200 "$(curl -s -o "$work/answer" -w '%{http_code}' -d x "http://127.0.0.1:$http_port/topics/\$aws/rules/nobody/x?qos=1")"
same "lines of the log" 8 "$(grep -c 'no function of that name' "$work/moonlet.log")"
curl -s "http://127.0.0.1:$http_port/metrics" >"$work/metrics"
same "unknown" 8 "$(sed -n 's/^moonlet_ingest_unknown_total //p' "$work/metrics")"
same "taken" 14 "$(sed -n 's/^moonlet_ingest_messages_total //p' "$work/metrics")"

echo "nobody else has seen any of it"
pub -q 1 -t cars/last
saw named cars/last 1
wait_for 10 grep -q '^wrong/other .*cars/last' "$work/heard"
same "subscribers" 0 "$(grep -c '^\$aws/rules' "$work/heard" || true)"
same "other functions" 1 "$(grep -c '^wrong/other' "$work/heard")"
same "taps" 0 "$(grep -c 'rules' "$work/tap" || true)"
stop_moonlet
same "exit status" 0 "$moonlet_status"
