#!/bin/bash
# Messages, shadows and retained messages by HTTP, as AWS IoT's data plane has them, with curl.
. "$(dirname "$0")/lib.sh"
need curl openssl mosquitto_sub mosquitto_pub python3

mkdir -p "$work/functions"
cat >"$work/functions/seen.lua" <<'END'
return {
  on = { topic = "iot/ccar-ad/+" },
  allow = { publish = "seen/#" },
  handler = function(event, context)
    if type(event) == "table" then mqtt.publish("seen/" .. context.topic, { speed = event.speed, qos = context.qos }) end
  end,
}
END
start_moonlet "$work/functions" --https 127.0.0.1:0
https_port=$(sed -n 's/.*HTTPS on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/moonlet.log")
ca=$work/data/tls/ca
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/audi22.key" -out "$work/audi22.csr" -subj /CN=audi22 2>/dev/null
openssl x509 -req -in "$work/audi22.csr" -CA "$ca.pem" -CAkey "$ca.key" -CAcreateserial -CAserial "$work/serial" -out "$work/audi22.pem" 2>/dev/null
cat "$ca.pem" >"$work/ca.pem"
"$moonlet" thing import - --data "$work/data" >/dev/null <<'END'
{"kind":"policy","policyName":"all","policyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}}
END
"$moonlet" cert register "$work/audi22.pem" --policy all --data "$work/data"

# ask STATUS METHOD PATH [CURL OPTION...]: the answer is in $work/answer.
ask() {
  local status=$1 method=$2 path=$3
  shift 3
  got=$(curl -s -o "$work/answer" -D "$work/head" -w '%{http_code}' --cacert "$work/ca.pem" --cert "$work/audi22.pem" \
    --key "$work/audi22.key" -X "$method" "$@" "https://localhost:$https_port$path")
  same "status of $method $path" "$status" "$got"
}
# is EXPRESSION: of the answer, as Python sees it.
is() { python3 -c 'import json, sys; a = json.load(open(sys.argv[1])); assert eval(sys.argv[2]), a' "$work/answer" "$1" || fail "not so: $1"; }

sub() {
  stdbuf -oL mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -V mqttv5 -d -q 1 -F '%t %q %C %R %p' "${@:2}" >"$work/$1" 2>&1 &
  remember $!
  wait_for 5 grep -q '^Subscribed' "$work/$1"
}

echo "publish"
sub heard -t 'iot/#' -t 'seen/#'
printf '{"speed":42}' >"$work/reading.json"
ask 200 POST '/topics/iot/ccar-ad/audi22?qos=1' -d "@$work/reading.json"
is 'a["message"] == "OK" and len(a["traceId"]) == 36'
wait_for 5 grep -q '^iot/ccar-ad/audi22 1   {"speed":42}' "$work/heard"
wait_for 5 grep -q '^seen/iot/ccar-ad/audi22 .*"speed":42' "$work/heard"
ask 200 POST '/topics/iot%2Fccar-ad%2Faudi23?contentType=text/plain&responseTopic=iot/answer' -d 'hello'
wait_for 5 grep -q '^iot/ccar-ad/audi23 0 text/plain iot/answer hello' "$work/heard"
ask 400 POST '/topics/iot/+/x' -d x
is '"wildcard" in a["message"] and a["traceId"]'
grep -qi '^x-amzn-ErrorType: InvalidRequestException' "$work/head" || fail "no name of the error"
ask 400 POST '/topics/a?qos=2' -d x
deep=$(seq -s / 32)
ask 200 POST "/topics/$deep" -d x
ask 400 POST "/topics/$deep/33" -d x
is '"more levels" in a["message"]'
ask 400 POST "/topics/$(head -c 1025 /dev/zero | tr '\0' a)" -d x
is '"longer" in a["message"]'
ask 400 POST '/topics/a?retain=perhaps' -d x
ask 403 POST '/topics/$aws/events/presence/connected/audi22' -d x
ask 400 POST '/topics/a?responseTopic=a/%23' -d x
is '"responseTopic" in a["message"]'
properties=$(printf '[{"fleet":"north"},{"n":"1"},{"fleet":"south"}]' | base64 -w0)
stdbuf -oL mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -V mqttv5 -d -t five -F '%F %D %P %p' >"$work/five" 2>&1 &
remember $!
wait_for 5 grep -q '^Subscribed' "$work/five"
ask 200 POST '/topics/five?retain=true' -d hallo -H "x-amz-mqtt5-user-properties: $properties" \
  -H 'x-amz-mqtt5-payload-format-indicator: UTF8_DATA' -H "x-amz-mqtt5-correlation-data: $(printf id7 | base64)"
wait_for 5 grep -q '^1 id7 fleet:north n:1 fleet:south hallo' "$work/five"
ask 200 GET '/retainedMessage/five'
is '__import__("json").loads(__import__("base64").b64decode(a["userProperties"])) == [{"fleet": "north"}, {"n": "1"}, {"fleet": "south"}]'
ask 200 POST '/topics/five?retain=true'
ask 400 POST '/topics/five' --data-binary $'\xff' -H 'x-amz-mqtt5-payload-format-indicator: UTF8_DATA'
is '"UTF-8" in a["message"]'
for wrong in 'payload-format-indicator: utf8' 'correlation-data: ***' 'user-properties: e30=' 'user-properties: W3siYSI6MX1d' 'user-properties: x'; do
  ask 400 POST '/topics/five' -d x -H "x-amz-mqtt5-$wrong"
  is "'x-amz-mqtt5-${wrong%%:*}' in a['message']"
done
head -c 262145 /dev/zero >"$work/large"
ask 413 POST '/topics/a' --data-binary "@$work/large"
ask 405 GET '/topics/a'

echo "shadows"
ask 404 GET '/things/audi22/shadow'
is '"message" in a'
ask 200 POST '/things/audi22/shadow' -d '{"state":{"reported":{"speed":3}}}'
is 'a["state"]["reported"]["speed"] == 3 and a["version"] == 1'
ask 409 POST '/things/audi22/shadow' -d '{"state":{"reported":{"speed":4}},"version":7}'
ask 400 POST '/things/audi22/shadow' -d '{"state":'
for wrong in %zz %0 %00; do # is no request for the shadow without a name
  ask 400 DELETE "/things/audi22/shadow?name=$wrong"
  is "'%XX' in a['message']"
done
ask 400 POST '/topics/a?contentType=%00' -d x
ask 200 GET '/things/audi22/shadow'
is 'a["state"]["reported"]["speed"] == 3 and a["metadata"]'
ask 200 POST '/things/audi22/shadow?name=cabin' -d '{"state":{"desired":{"warm":true}}}'
ask 200 GET '/things/audi22/shadow?name=cabin'
is 'a["state"]["delta"]["warm"] is True'
ask 200 DELETE '/things/audi22/shadow?name=cabin'
ask 404 GET '/things/audi22/shadow?name=cabin'
grep -qi '^x-amzn-RequestId: [0-9a-f-]*' "$work/head" || fail "no id of the request"

echo "names of shadows"
list=/api/things/shadow/ListNamedShadowsForThing
ask 200 GET $list/audi22
is 'a["results"] == [] and a["timestamp"] > 1700000000 and "nextToken" not in a'
for name in a b c d; do ask 200 POST "/things/audi22/shadow?name=$name" -d '{"state":{"desired":{"x":1}}}'; done
ask 200 POST "/things/audi2/shadow?name=other" -d '{"state":{"desired":{"x":1}}}'
ask 200 GET $list/audi22
is 'a["results"] == ["a", "b", "c", "d"] and "nextToken" not in a'
ask 200 GET "$list/audi22?pageSize=3"
is 'a["results"] == ["a", "b", "c"]'
token=$(python3 -c 'import json, sys, urllib.parse; print(urllib.parse.quote(json.load(open(sys.argv[1]))["nextToken"]))' "$work/answer")
ask 200 GET "$list/audi22?pageSize=3&nextToken=$token"
is 'a["results"] == ["d"] and "nextToken" not in a'
ask 400 GET "$list/audi22?pageSize=101"
ask 400 GET "$list/audi22?nextToken=+"
ask 400 GET "$list/audi%2022"

echo "retained messages"
ask 404 GET '/retainedMessage/state/door'
ask 200 GET '/retainedMessage'
is 'a == {"retainedTopics": []}'
ask 200 POST '/topics/state/door?qos=1&retain=true' -d open
for n in 1 2 3 4; do mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -r -q 1 -t "state/$n" -m "$n"; done
ask 200 GET '/retainedMessage/state/door'
is 'a["topic"] == "state/door" and a["payload"] == "b3Blbg==" and a["qos"] == 1 and a["lastModifiedTime"] > 1700000000000'
ask 200 GET '/retainedMessage?maxResults=2'
is '[t["topic"] for t in a["retainedTopics"]] == ["state/door", "state/1"] and a["retainedTopics"][0]["payloadSize"] == 4'
token=$(python3 -c 'import json, sys, urllib.parse; print(urllib.parse.quote(json.load(open(sys.argv[1]))["nextToken"]))' "$work/answer")
ask 200 GET "/retainedMessage?nextToken=$token"
is '[t["topic"] for t in a["retainedTopics"]] == ["state/2", "state/3", "state/4"] and "nextToken" not in a'

echo "connections"
ask 404 DELETE '/connections/nobody'
ask 400 DELETE '/connections/nobody?cleanSession=perhaps'
sub presence -t '$aws/events/presence/disconnected/#' -t 'wills/#'
# cut CLIENT QUERY: a client with a session and a will is cut. Its exit status is mosquitto's.
cut_one() {
  stdbuf -oL mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -V mqttv5 -d -i "$1" -c -x 600 -q 1 -t "kept/$1" \
    --will-topic "wills/$1" --will-payload gone --will-qos 1 >"$work/cut" 2>&1 &
  local pid=$!
  remember $pid
  wait_for 10 grep -q '^Subscribed' "$work/cut"
  ask 200 DELETE "/connections/${1/\//%2F}$2"
  wait_for 10 grep -q "^\$aws/events/presence/disconnected/$1 .*API_INITIATED_DISCONNECT" "$work/presence"
  kill $pid 2>/dev/null || true # it may have left already
  wait $pid 2>/dev/null || true
}
kept() {
  mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -q 1 -t "kept/$1" -m "for $1"
  mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -V mqttv5 -i "$1" -c -x 600 -q 1 -t "kept/$1" -C 1 -W "$2" 2>/dev/null || true
}
cut_one audi22/one ''
wait_for 10 grep -q '^wills/audi22/one .*gone' "$work/presence"
cut_one quiet '?cleanSession=true&preventWillMessage=true'
same "a session that was kept" "for audi22/one" "$(kept audi22/one 30)"
same "one that was forgotten" "" "$(kept quiet 1)"
! grep -q '^wills/quiet' "$work/presence" || fail "a will that was prevented is published"

echo "loopback needs no TLS"
same "plain" 200 "$(curl -s -o "$work/answer" -w '%{http_code}' -d x "http://127.0.0.1:$http_port/topics/plain?qos=1")"

echo "requests as AWS's CLI and SDKs sign them"
signed='Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/eu-central-1/iotdata/aws4_request, SignedHeaders=host, Signature=00'
token=$("$moonlet" token create laptop --policy all --data "$work/data")
ask 200 POST '/topics/signed?qos=1' -d x -H "$signed"
same "from this machine" 200 "$(curl -s -o "$work/answer" -w '%{http_code}' -d x -H "$signed" "http://127.0.0.1:$http_port/topics/signed?qos=1")"
signs() { curl -s -o "$work/answer" -w '%{http_code}' --cacert "$work/ca.pem" -d x -H "$signed" "$@" "https://localhost:$https_port/topics/signed?qos=1"; }
same "a signature alone" 403 "$(signs)"
same "a session token of AWS's" 403 "$(signs -H 'X-Amz-Security-Token: IQoJb3JpZ2luX2VjEXAMPLE')"
same "a session token of ours" 200 "$(signs -H "X-Amz-Security-Token: $token")"
same "one that we do not know" 401 "$(signs -H "X-Amz-Security-Token: ${token}x")"
! grep -qF "$token" "$work/moonlet.log" || fail "the token is in the log"

echo "what is bounded for MQTT is bounded here, and when it was retained is known after a restart"
changed=$(curl -s "http://127.0.0.1:$http_port/retainedMessage/state/door" | python3 -c 'import json, sys; print(json.load(sys.stdin)["lastModifiedTime"])')
stop_moonlet
start_moonlet "$work/functions" --https 127.0.0.1:0 --retained-max 6
https_port=$(sed -n 's/.*HTTPS on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/moonlet.log" | tail -1)
ask 200 GET '/retainedMessage/state/door'
is "a['lastModifiedTime'] == $changed"
ask 200 POST '/topics/state/6?qos=1&retain=true' -d x
ask 429 POST '/topics/state/7?qos=1&retain=true' -d x
grep -q 'a retained message on state/7 is refused' "$work/moonlet.log" || fail "the refusal is not in the log"
ask 200 POST '/topics/state/6?qos=1&retain=true' -d y

echo "pages of others do not act in a browser's name"
posts() { curl -s -o "$work/answer" -w '%{http_code}' -d x "http://127.0.0.1:$http_port/topics/page?qos=1" "$@"; }
same "its own page" 200 "$(posts -H "Origin: http://127.0.0.1:$http_port")"
same "another page" 403 "$(posts -H 'Origin: https://evil.example')"
same "a file" 403 "$(posts -H 'Origin: null')"
same "a name that was turned to this machine" 403 "$(posts -H "Host: evil.example:$http_port" -H "Origin: http://evil.example:$http_port")"
ask 200 POST '/topics/page' -d x -H "Origin: https://localhost:$https_port"

echo "pages of others that may, read the answers too"
stop_moonlet
start_moonlet "$work/functions" --https 127.0.0.1:0 --ws-origins 'same https://panel.example'
page='Origin: https://panel.example'
same "another page" 403 "$(posts -H 'Origin: https://evil.example' -D "$work/head")"
! grep -qi '^access-control' "$work/head" || fail "a page that may not is told that it may"
same "the page" 200 "$(posts -H "$page" -D "$work/head")"
grep -qi $'^access-control-allow-origin: https://panel.example\r$' "$work/head" || fail "the page may not read the answer"
same "the page, something wrong" 404 "$(curl -s -o /dev/null -D "$work/head" -w '%{http_code}' -H "$page" "http://127.0.0.1:$http_port/things/x/shadow")"
grep -qi $'^access-control-allow-origin: https://panel.example\r$' "$work/head" || fail "the page may not read the error"
preflight() { curl -s -X OPTIONS -o /dev/null -D "$work/head" -w '%{http_code}' "http://127.0.0.1:$http_port$1" -H "$2" \
  -H 'Access-Control-Request-Method: DELETE' -H 'Access-Control-Request-Headers: authorization,content-type'; }
same "it asks first" 204 "$(preflight /things/x/shadow "$page")"
for line in 'allow-origin: https://panel.example' 'allow-methods: GET, POST, DELETE, OPTIONS' 'allow-headers: authorization,content-type'; do
  grep -qi "^access-control-$line"$'\r$' "$work/head" || fail "no $line"
done
same "another asks first" 403 "$(preflight /things/x/shadow 'Origin: https://evil.example')"
