#!/usr/bin/env bash
# Policies by their commands: made, attached, tried, enforced on the wire, changed while clients are
# connected, and refused where they are wrong.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub

refused() { ! "$moonlet" "$@" --data "$work/data" >"$work/said" 2>"$work/refused" || fail "not refused: $*"; }
says() { grep -q -- "$1" "$work/refused" || fail "not said: '$1' but: $(cat "$work/refused")"; }
moon() { "$moonlet" "$@" --data "$work/data"; }
json() { python3 -c "import json,sys; print(json.load(sys.stdin)$1)"; }
# may ARGUMENT...: the trial allows it; may_not: it does not. The verdict is in $work/verdict.
may() { moon policy test "$@" >"$work/verdict" || fail "denied: $*: $(cat "$work/verdict")"; }
may_not() {
  local status=0
  moon policy test "$@" >"$work/verdict" 2>&1 || status=$?
  same "exit of policy test $*" 1 "$status"
  grep -q '^denied: ' "$work/verdict" || fail "no verdict: $*: $(cat "$work/verdict")"
}
because() { grep -qF -- "$1" "$work/verdict" || fail "expected '$1' in: $(cat "$work/verdict")"; }

start_moonlet "$work/functions" --mqtts 127.0.0.1:0
tls_port=$(sed -n 's/.*MQTT over TLS on .*:\([0-9]*\)$/\1/p' "$work/moonlet.log")
moon type create car
moon thing create audi22 --type car -a model=audi --cert --out "$work" >"$work/created"
moon thing create vw1 --cert --out "$work" >"$work/created"
id=$(moon thing show audi22 | json '["principals"][0]' | sed 's/^cert://')

echo "the default policy"
may --thing audi22 publish iot/audi22; because 'of policy default allows it'
may --thing audi22 publish iot/audi22/speed
may --thing audi22 subscribe 'iot/audi22/#'
may --thing audi22 subscribe '$share/g/iot/audi22/+'
may --thing audi22 receive '$aws/things/audi22/shadow/update/delta'
may --thing audi22 retain iot/audi22
may --thing audi22 get-shadow audi22
may --thing audi22 update-shadow audi22/tyres
may --thing audi22 connect
may --thing audi22 connect audi22/2
may --cert "$work/audi22.pem" --client-id audi22 publish iot/audi22
may --cert "${id:0:8}" --client-id audi22 publish iot/audi22
may_not --thing audi22 publish alerts/x; because 'no statement allows it'
may_not --thing audi22 publish iot/vw1
may_not --thing audi22 subscribe '#'
may_not --thing audi22 subscribe 'iot/+'
may_not --thing audi22 subscribe '$share/g/#'
may_not --thing audi22 connect vw1
may_not --thing audi22 get-shadow vw1
may_not --thing audi22 publish '$aws/things/vw1/shadow/name/audi22/update'; because 'of policy default denies it'
may_not --thing audi22 receive '$aws/things/vw1/shadow/name/audi22/update/delta'
may --thing audi22 --client-id other publish iot/audi22; because 'which it may not connect with'

may --thing audi22 receive '$aws/events/presence/connected/audi22'
may_not --thing audi22 receive '$aws/events/presence/connected/vw1'
for word in shadow things update presence; do
  moon thing create "$word"
  moon thing attach "$word" user:words
done
printf 'password of words\n' >"$work/password"
moon user add words --password-file "$work/password" --policy default
may --thing shadow publish iot/shadow
may_not --thing shadow publish '$aws/things/vw1/shadow/update'; because 'words of policy default denies it'
may_not --thing shadow subscribe '$aws/things/+/shadow/#'
may_not --thing update receive '$aws/things/vw1/shadow/update'
may_not --thing presence receive '$aws/events/presence/connected/vw1'

echo "what is wrong is refused, with the place"
printf '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iot:Publish","s3:Get"],"Resource":"*"}]}' >"$work/wrong.json"
refused policy create wrong "$work/wrong.json"; says 'wrong.json: Statement\[0\].Action\[1\]: an action is'
printf '{\n "Version" "2012-10-17"' >"$work/wrong.json"
refused policy create wrong "$work/wrong.json"; says 'wrong.json: not JSON, from line 2'
refused policy create wrong "$work/none.json"; says 'none.json'
refused policy show wrong; says 'there is no policy wrong'
refused policy attach wrong "cert:$id"; says 'no policy wrong'
refused policy attach default cert:abcdef; says 'no certificate abcdef'
refused policy attach default group:none; says none
refused policy attach default nonsense; says nonsense
refused policy test --thing none publish x; says 'there is no thing none'
refused policy test publish x; says 'as whom'
refused policy test --thing audi22 fly x; says 'get-shadow'
refused policy test --thing audi22 publish 'a/#'; says 'a/#'
refused policy test --cert "$id" --user fritz publish a; says 'only one of'
refused policy test --thing vw1 --cert "$id" publish a; says 'not attached'
status=0; moon policy nonsense 2>/dev/null || status=$?
same "exit for a word that is none" 2 "$status"

echo "made, shown, replaced, attached"
cat >"$work/alerts.json" <<'END'
{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "Raise", "Effect": "Allow", "Action": "iot:Publish",
     "Resource": "arn:aws:iot:eu-central-1:123456789012:topic/alerts/${iot:Connection.Thing.Attributes[model]}/*"},
    {"Sid": "NotFromOutside", "Effect": "Deny", "Action": "iot:*", "Resource": "topic/alerts/*",
     "Condition": {"NotIpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1"]}}},
    {"Effect": "Allow", "Action": "iot:Publish", "Resource": "topic/types/${iot:Connection.Thing.ThingTypeName}",
     "Condition": {"StringEquals": {"iot:Certificate.Subject.CommonName": "audi22"}, "Bool": {"iot:Connection.Thing.IsAttached": "true"}}}
  ]
}
END
moon policy create alerts "$work/alerts.json"
refused policy create alerts "$work/alerts.json"; says 'there already'
moon policy create alerts - --replace <"$work/alerts.json"
moon policy show alerts 2>/dev/null | diff - "$work/alerts.json" || fail "the document is not what was given"
may --policy alerts --thing audi22 publish alerts/audi/1; because 'statement 1, Raise of policy alerts allows it'
may_not --thing audi22 publish alerts/audi/1
moon policy attach alerts thing:audi22
moon policy attach alerts "cert:${id:0:10}"
moon policy ls | holds '^alerts .* attached to 1$' || fail "$(moon policy ls)"
moon policy show alerts 2>&1 >/dev/null | holds "cert:$id" || fail "not said to whom"
may --thing audi22 publish alerts/audi/1
may --thing audi22 publish types/car
may --cert "$id" publish alerts/audi/1; because 'client id "audi22"'
may --cert "$id" connect; because 'iot:Connect on client/audi22:'
may_not --thing audi22 --address 192.0.2.1 publish alerts/audi/1; because 'statement 2, NotFromOutside of policy alerts denies it'
may_not --thing audi22 publish alerts/vw/1
may_not --thing vw1 publish alerts/audi/1
same "as JSON" "alerts 1 Raise" "$(moon policy test --json --thing audi22 publish alerts/audi/1 |
  python3 -c 'import json,sys; r=json.load(sys.stdin)["results"][0]; print(r["policy"], r["statement"], r["sid"])')"

echo "on the wire it is the same, and changes while clients are there"
pub() {
  mosquitto_pub -h localhost -p "$tls_port" --cafile "$work/data/tls/ca.pem" --cert "$work/$1.pem" --key "$work/$1.key" \
    -V 5 -i "$2" -q 1 -t "$3" -m 1 >"$work/pub.out" 2>&1
}
pub audi22 audi22 alerts/audi/1 || fail "not published: $(cat "$work/pub.out")"
pub audi22 audi22 types/car || fail "not published: $(cat "$work/pub.out")"
denied_so_far() { moon top --once --json >/dev/null 2>&1; grep -c "may not iot:Publish on topic/$1" "$work/moonlet.log" || true; }
pub vw1 vw1 alerts/audi/9 || true
same "refused on the wire" 1 "$(denied_so_far alerts/audi/9)"
grep -q 'may not iot:Publish on topic/alerts/audi/9: no statement allows it' "$work/moonlet.log" || fail "not said why"

mosquitto_sub -h localhost -p "$tls_port" --cafile "$work/data/tls/ca.pem" --cert "$work/vw1.pem" --key "$work/vw1.key" \
  -V 5 -i vw1 -t iot/vw1/in -t iot/vw1/ready >"$work/sub.out" 2>"$work/sub.err" &
remember $!
hears() { moon pub iot/vw1/ready r; sleep 0.1; [ -s "$work/sub.out" ]; }
wait_for 20 hears
cat >"$work/deaf.json" <<'END'
{"Version": "2012-10-17", "Statement": {"Sid": "Deaf", "Effect": "Deny", "Action": "iot:Receive", "Resource": "topic/iot/*/in"}}
END
moon policy create deaf "$work/deaf.json"
moon group create quiet
moon group add quiet vw1
moon policy attach deaf group:quiet
may_not --thing vw1 receive iot/vw1/in; because 'statement 1, Deaf of policy deaf denies it'
moon pub iot/vw1/in unheard
moon policy detach deaf group:quiet
moon pub iot/vw1/in heard
wait_for 20 grep -qx heard "$work/sub.out"
! grep -q unheard "$work/sub.out" || fail "a message came that a policy denied"

echo "persistent sessions and wills by condition"
cat >"$work/plain.json" <<'END'
{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*",
  "Condition": {"ForAllValues:StringEquals": {"iot:ConnectAttributes": ["LastWill"]}}}}
END
moon policy create plain "$work/plain.json"
may --policy plain --client-id x connect
may --policy plain --client-id x --will connect
may_not --policy plain --client-id x --persistent connect
may_not --policy plain --client-id x --persistent --will connect
printf 'password of plain\n' >"$work/password"
moon user add plain --password-file "$work/password" --policy plain
connects() { mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -V 311 -u plain -P 'password of plain' -i plain -t x -E "$@" >"$work/sub.out" 2>&1; }
! connects -c || fail "a persistent session is let in"
grep -q 'plain.* may not iot:Connect on client/plain: no statement allows it' "$work/moonlet.log" || fail "not said why"

echo "a connection ends with the time that it is allowed"
cat >"$work/shift.json" <<END
{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["iot:Connect", "iot:Subscribe"], "Resource": "*",
  "Condition": {"DateLessThan": {"aws:CurrentTime": "$(date -u -d '+6 seconds' +%Y-%m-%dT%H:%M:%SZ)"}}}}
END
moon policy create shift "$work/shift.json"
moon user add shift --password-file "$work/password" --policy shift
mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -V 5 -u shift -P 'password of plain' -i shift -t x >"$work/shift.out" 2>&1 &
remember $!

echo "a will that waits goes by what holds when it is due"
cat >"$work/wills.json" <<'END'
{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["iot:Connect", "iot:Subscribe", "iot:Publish"],
  "Resource": ["client/*", "topicfilter/*", "topic/wills/*"]}}
END
sed 's/, "iot:Publish"//' "$work/wills.json" >"$work/no_wills.json"
moon policy create wills "$work/wills.json"
printf 'password of late\n' >"$work/password"
moon user add late --password-file "$work/password" --policy wills
# leaves NAME SECONDS OPTION...: a client whose will waits so long; its process is $left.
leaves() {
  local name=$1 delay=$2
  shift 2
  stdbuf -oL mosquitto_sub -h localhost -V 5 -i "$name" -c -x 600 --will-qos 1 --will-payload gone -D will will-delay-interval "$delay" \
    -t "iot/$name/in" -d "$@" >"$work/$name.out" 2>&1 &
  left=$!
  remember "$left"
  wait_for 20 grep -q '^Subscribed' "$work/$name.out"
}
with_password=(-p "$mqtt_port" -u late -P 'password of late')
with_certificate=(-p "$tls_port" --cafile "$work/data/tls/ca.pem" --cert "$work/vw1.pem" --key "$work/vw1.key")
mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -V 5 -i keeper -c -x 600 -q 1 -t wills/# -t iot/vw1/will -E
leaves late 1 "${with_password[@]}" --will-topic wills/late
kill -9 "$left"
moon policy create wills "$work/no_wills.json" --replace
wait_for 30 grep -q 'may not iot:Publish on topic/wills/late: no statement allows it' "$work/moonlet.log"
moon policy create wills "$work/wills.json" --replace
wait_for 60 grep -q 'client "shift" .* may not iot:Connect on client/shift: no statement allows it' "$work/moonlet.log"

echo "users"
printf 'secret-of-fritz\n' >"$work/password"
moon user add fritz --password-file "$work/password" --policy alerts
may_not --user fritz --client-id x publish types/car
may_not --user fritz publish alerts/audi/1
refused policy test --user nobody publish x

echo "deleted, but not while it is attached"
refused policy delete alerts; says "alerts is attached to .*cert:$id"; says 'user:fritz'
moon policy delete alerts --force
refused policy show alerts
may_not --thing audi22 publish alerts/audi/1
refused policy delete alerts; says 'there is no policy'

echo "what is revoked may nothing"
moon cert revoke "$id"
may_not --thing audi22 publish iot/audi22; because 'its certificate is REVOKED'

echo "the same after a restart"
leaves late 1 "${with_password[@]}" --will-topic wills/again
again=$left
leaves vw1 1 "${with_certificate[@]}" --will-topic iot/vw1/will
moon policy create wills "$work/no_wills.json" --replace
stop_moonlet
kill -9 "$again" "$left" 2>/dev/null || true
mqtt_port=0 http_port=0
start_moonlet "$work/functions" --identity-sessions-max 3 --messages-bytes-max 8MiB
wait_for 30 grep -q 'user late) may not iot:Publish on topic/wills/again: no statement allows it' "$work/moonlet.log"
timeout 30 mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -V 5 -i keeper -c -x 600 -q 1 -t iot/vw1/will -C 1 -v >"$work/kept" || true
same "wills that were heard" "iot/vw1/will gone" "$(cat "$work/kept")"
may --thing vw1 publish iot/vw1
moon policy show deaf >/dev/null 2>&1 || fail "a policy was forgotten"

echo "the manual's example is one"
sed -n '/^## What devices may do/,/^## /{/^```json/,/^```/p}' "$source_dir/docs/operations.md" | sed '/^```/d' >"$work/manual.json"
moon policy create manual "$work/manual.json"
may --thing vw1 --policy manual --address 10.1.2.3 receive all/x

echo "no identity has more sessions than it may, those of before the restart count"
comes() { # NAME: with a session that stays
  mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -u late -P 'password of late' -V 5 -i "$1" -c -x 600 -q 1 -t x -E >"$work/comes" 2>&1
}
comes second || fail "not let in: $(cat "$work/comes")"
comes third || fail "not let in: $(cat "$work/comes")"
# Not by mosquitto_sub, which may go on trying for ever.
same "reason of a fourth session" 151 "$(python3 - "$mqtt_port" <<'END'
import socket, sys
def text(value): return len(value).to_bytes(2, "big") + value
connect = text(b"MQTT") + b"\x05\xc0\0\x3c\x05\x11\0\0\x02\x58" + text(b"fourth") + text(b"late") + text(b"password of late")
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
s.sendall(bytes([0x10, len(connect)]) + connect)
head = b""
while len(head) < 4: head += s.recv(4 - len(head)) or sys.exit("no answer")
print(head[3])
END
)"
comes late || fail "who has a session does not come back: $(cat "$work/comes")"
wait_for 20 grep -q 'late has 3 sessions, and no more are allowed' "$work/moonlet.log"

echo "nor do its sessions keep more than half of all messages"
mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -V 5 -i other -c -x 600 -q 1 -t y -E || fail "others are kept out too"
python3 -c 'for i in range(200): print("x" * 10000)' | mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -q 1 -t x -l
wait_for 20 grep -q 'too much is kept for all sessions of one identity, as for session' "$work/moonlet.log"
mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -q 1 -t y -m room
timeout 30 mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -V 5 -i other -c -x 600 -q 1 -t y -C 1 >"$work/kept" || true
same "what another one got" room "$(cat "$work/kept")"
late() { mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -u late -P 'password of late' -V 5 -c -x 600 -q 1 -t x "$@"; }
echo '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}}' >"$work/all.json"
moon policy create wills "$work/all.json" --replace
late -i third -W 2 >/dev/null 2>&1 || true # what one of them takes makes room for all
mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -q 1 -t x -m more
late -i second >"$work/taken" 2>&1 &
remember $!
wait_for 30 grep -qx more "$work/taken"
