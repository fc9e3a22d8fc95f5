#!/bin/bash
# Crowds: all clients come back at once, thousands fall silent in the middle of something, and the
# descriptors run out. Ordinary clients go on meanwhile, and the control API answers. TEST_LONG makes
# the crowds large.
. "$(dirname "$0")/lib.sh"
need python3 curl

count=1000 rounds=2 silent=200
[ -z "${TEST_LONG:-}" ] || { count=10000 rounds=50 silent=5000; }
crowd=$build_dir/tests/reliability/crowd

# figure NAME LINE: of one of crowd's lines
figure() { sed -n "s/.*$1=\([0-9]*\).*/\1/p" <<<"$2"; }
metric() { curl -sf --max-time 120 "http://127.0.0.1:$http_port/metrics" | sed -n "s/^$1 //p"; }
mkdir -p "$work/functions"

start_moonlet "$work/functions" --mqtts 127.0.0.1:0 --connect-timeout 2s --packet-timeout 2s --http-head-timeout 2s \
  --http-body-timeout 2s --http-clients-max 6000
tls_port=$(sed -n 's/.*MQTT over TLS on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/moonlet.log")

line=$("$crowd" storm "$mqtt_port" "$count" "$rounds" "$mqtt_port")
echo "storm: $line"
[ "$(figure took_ms "$line")" -lt 30000 ] || fail "the storm took too long: $line"

# Each is cut in time, and nobody else with it.
for kind in "tcp $mqtt_port" "connect $mqtt_port" "packet $mqtt_port" "keep-alive $mqtt_port" "tls-hello $tls_port" \
  "tcp $tls_port" "http-head $http_port" "http-body $http_port" "upgrade $http_port" "websocket $http_port"; do
  {
    line=$("$crowd" silent "${kind#* }" "$silent" "${kind% *}" "$mqtt_port")
    echo "silent $kind: $line"
  } >"$work/silent-${kind% *}-${kind#* }.out" 2>&1 &
  remember $!
  jobs_of_kinds="${jobs_of_kinds:-} $!"
  [ -z "${TEST_LONG:-}" ] || wait "$!" || true
done
for job in $jobs_of_kinds; do wait "$job" || { cat "$work"/silent-*.out; fail "some were not cut"; }; done
cat "$work"/silent-*.out
wait_for 30 eval '[ "$(metric moonlet_mqtt_clients)" = 0 ]'
[ "$(metric moonlet_mqtt_cut_silent_total)" -ge $((3 * silent)) ] || fail "they are not counted"
[ "$(metric moonlet_http_cut_slow_total)" -ge $((2 * silent)) ] || fail "they are not counted"
for line in 'gateway: client .* is cut: ' 'http: .* is cut: .* in time'; do
  grep -q "$line" "$work/moonlet.log" || fail "no line of the log: $line"
done
stop_moonlet
same "status" 0 "$moonlet_status"
[ "$(lines "$work/moonlet.log")" -lt 600 ] || fail "the log is flooded"

# 256 descriptors, 300 connections: some wait; whoever is in goes on, and so does the control API.
mqtt_port='' http_port=''
program=$moonlet
moonlet=$work/small
printf '#!/bin/bash\nulimit -n 256\nexec %q "$@"\n' "$program" >"$moonlet"
chmod +x "$moonlet"
start_moonlet "$work/functions" --connect-timeout 60s
moonlet=$program
python3 - "$mqtt_port" "$moonlet_pid" "$work/data" "$moonlet" "$http_port" <<'PY'
import resource, socket, subprocess, sys, time, urllib.request

port, pid, data, moonlet, http = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5]
CONNECT = b"\x10\x0e\0\4MQTT\4\2\0\0\0\2"

def client(name, wait=60):
    s = socket.create_connection(("127.0.0.1", port))
    s.settimeout(wait)
    s.sendall(CONNECT[:1] + bytes([12 + len(name)]) + CONNECT[2:12] + b"\0" + bytes([len(name)]) + name)
    return s

def answers(s):
    try:
        return s.recv(4) == b"\x20\2\0\0"
    except (TimeoutError, socket.timeout):
        return False

def cpu():
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100

first = client(b"first")
assert answers(first)
crowd = [client(b"c%d" % i) for i in range(300)]
inside = 0
for s in crowd:
    s.settimeout(60 if inside <= 100 else 2)
    if not answers(s):
        break
    inside += 1
assert 100 < inside < 256, inside
for _ in range(100):
    first.sendall(b"\xc0\0")
    assert first.recv(2) == b"\xd0\0"
# It rests when it has done what there was to do, however long that took.
for _ in range(60):
    before = cpu()
    time.sleep(1)
    if cpu() - before < 0.3:
        break
else:
    raise AssertionError(f"it spins: {cpu() - before} s of 1")
out = subprocess.run([moonlet, "ls", "--data", data], capture_output=True, timeout=30)
assert out.returncode == 0, out
late = crowd[inside:]
for s in crowd[:inside]:
    s.close()
for s in late:
    s.settimeout(60)
    assert answers(s), "who waited is not let in"
for s in late:
    s.close()
body = urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=30).read().decode()
waits = [l for l in body.splitlines() if l.startswith("moonlet_connections_waits_total ")]
assert int(float(waits[0].split()[1])) > 0
print(f"descriptors: {inside + 1} in, the others waited")
PY
[ "$(lines "$work/moonlet.log")" -lt 60 ] || fail "the log is flooded"
stop_moonlet
same "status" 0 "$moonlet_status"

# One address has, and makes, too many connections: told so by its protocol.
mqtt_port='' http_port=''
start_moonlet "$work/functions" --address-exempt none --address-connections-max 3 --address-connects-per-second-max 1000
python3 - "$mqtt_port" "$http_port" <<'PY'
import socket, sys

mqtt, http = int(sys.argv[1]), int(sys.argv[2])

def connect(version, name):
    s = socket.create_connection(("127.0.0.1", mqtt))
    s.settimeout(60)
    props = b"\0" if version == 5 else b""
    body = b"\0\4MQTT" + bytes([version]) + b"\2\0\0" + props + b"\0" + bytes([len(name)]) + name
    s.sendall(b"\x10" + bytes([len(body)]) + body)
    return s, s.recv(100)

kept = [connect(5, b"k%d" % i) for i in range(3)]
assert all(answer[3] == 0 for _, answer in kept), kept
assert connect(5, b"x")[1][3] == 0x97
assert connect(4, b"x")[1] == b"\x20\2\0\3"
s = socket.create_connection(("127.0.0.1", http))
s.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
assert b" 429 " in s.recv(1000)
PY
grep -q 'address_connections_max' "$work/moonlet.log" || fail "the log does not name the limit"
stop_moonlet

# Where the store cannot keep up, whoever gives it work waits and goes on: nothing is lost, nothing stands still.
mqtt_port='' http_port=''
start_moonlet "$work/functions" --store-jobs-max 3
python3 - "$mqtt_port" <<'PY'
import socket, struct, sys

def length(n):
    return bytes([n]) if n < 128 else bytes([n % 128 | 128, n // 128])

def packet(kind, body):
    return bytes([kind]) + length(len(body)) + body

def text(value):
    return struct.pack(">H", len(value)) + value

s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.settimeout(60)
s.sendall(packet(0x10, text(b"MQTT") + b"\4\2\0\0" + text(b"flood")))
assert s.recv(4) == b"\x20\2\0\0"
s.sendall(b"".join(packet(0x31, text(b"kept/%d" % i) + b"x") for i in range(500)))
s.sendall(b"".join(packet(0x30, text(b"$aws/things/t%d/shadow/update" % i) + b'{"state":{"reported":{"a":1}}}')
                   for i in range(500)))
s.sendall(b"\xc0\0")
assert s.recv(2) == b"\xd0\0", "it stands still"
s.sendall(packet(0x82, b"\0\1" + text(b"kept/#") + b"\0"))
got = b""
while got.count(b"kept/") < 500:
    got += s.recv(65536)
PY
# Pings of WebSocket whose pongs nobody reads take no memory: who sends them is cut.
python3 - "$http_port" <<'PY'
import socket, sys

s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.settimeout(60)
s.sendall(b"GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
          b"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
assert b" 101 " in s.recv(1000)
pings, sent = (b"\x89\xfdabcd" + b"x" * 125) * 100, 0
try:
    while sent < 100 << 20:
        sent += s.send(pings)
except ConnectionError:
    pass
assert sent < 100 << 20, "it takes pings for ever"
PY
stop_moonlet
same "status" 0 "$moonlet_status"

# All places for handshakes are taken, by peers that say nothing and by some that dribble: they do
# not keep the others out until connect_timeout.
start_moonlet "$work/functions" --mqtts 127.0.0.1:0 --tls-handshakes-max 8 --connect-timeout 1h
tls_port=$(sed -n 's/.*MQTT over TLS on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/moonlet.log" | tail -1)
python3 - "$tls_port" "$work/data/tls/ca.pem" <<'PY'
import socket, ssl, sys, threading, time

def connect():
    return socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=120)

def dribble(s):
    try:
        for byte in b"\x03\x01\x01\x00" + b"\x01" * 200:
            s.send(bytes([byte]))
            time.sleep(0.5)
    except OSError:
        pass

silent, peers = [connect(), connect()], []
for _ in range(14):
    peers.append(connect())
    peers[-1].send(b"\x16")
for peer in peers:
    threading.Thread(target=dribble, args=(peer,), daemon=True).start()
ssl.create_default_context(cafile=sys.argv[2]).wrap_socket(connect(), server_hostname="localhost").close()
PY
grep -q 'it is slow, and others wait' "$work/moonlet.log" || fail "who dribbles is not told"
[ "$(metric moonlet_tls_cut_slow_total)" -gt 0 ] || fail "who was cut is not counted"
stop_moonlet
same "status" 0 "$moonlet_status"
