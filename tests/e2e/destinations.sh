#!/usr/bin/env bash
# on_failure and on_success: records of ends go to a topic, a function, a table, and stand beside
# the dead letter also over a kill.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub curl

mkdir "$work/functions"
cat >"$work/functions/to_topic.lua" <<'L'
return { on = { topic = "a/+" }, retries = 1, backoff = { first = "10ms", max = "20ms" },
  on_failure = { topic = "errors/a" }, on_success = { topic = "ends/a" },
  handler = function(event) if event.bad then error("no good") end return { was = event } end }
L
cat >"$work/functions/to_function.lua" <<'L'
return { on = { topic = "b/+" }, retries = 0, on_failure = { invoke = "mourner" },
  handler = function(event) error("lost: " .. event) end }
L
cat >"$work/functions/mourner.lua" <<'L'
return { allow = { publish = "mourned" },
  handler = function(record)
    mqtt.publish("mourned", record.requestContext.condition .. " " .. record.requestPayload .. " "
      .. record.responsePayload.errorMessage:match("lost: .*"), { qos = 1, retain = true })
  end }
L
cat >"$work/functions/to_table.lua" <<'L'
return { on = { topic = "c/+" }, retries = 0, on_failure = { table = "graves" }, on_success = { table = "ends" },
  handler = function(event) if event == "bad" then error("no") end end }
L
start_moonlet "$work/functions"
define() { curl -sf --unix-socket "$work/data/moonlet.sock" -X PUT "http://x/v1/tables/$1" -H "Content-Type: application/json" -d "$2" >/dev/null || fail "table $1"; }
define ends '{"name":"ends","key":"id","sort":"ts"}'
define graves '{"name":"graves","key":"id"}'
failed() { "$moonlet" failed --data "$work/data" "$@"; }

mosquitto_sub -p "$mqtt_port" -t 'errors/#' -t 'ends/#' -t mourned -v >"$work/heard" &
remember $!
wait_for 10 bash -c "'$moonlet' ls --data '$work/data' | grep -q to_table"
wait_for 10 bash -c "mosquitto_pub -p $mqtt_port -t ends/probe -m probe; grep -q probe '$work/heard'"

mosquitto_pub -p "$mqtt_port" -t a/1 -q 1 -m '{"n":1}'
mosquitto_pub -p "$mqtt_port" -t a/1 -q 1 -m '{"bad":true}'
mosquitto_pub -p "$mqtt_port" -t b/1 -q 1 -m friend
mosquitto_pub -p "$mqtt_port" -t c/1 -q 1 -m good
mosquitto_pub -p "$mqtt_port" -t c/1 -q 1 -m bad
wait_for 10 grep -q '^ends/a' "$work/heard"
wait_for 10 grep -q '^errors/a' "$work/heard"
wait_for 10 grep -q '^mourned RetriesExhausted friend lost: friend' "$work/heard"

python3 - "$work/heard" <<'P'
import json, sys
records = {}
for line in open(sys.argv[1]):
    topic, _, text = line.partition(" ")
    if topic in ("ends/a", "errors/a"):
        assert topic not in records, "two records on " + topic
        records[topic] = json.loads(text)
end, error = records["ends/a"], records["errors/a"]
assert end["version"] == "1.0" and end["requestContext"]["condition"] == "Success", end
assert end["requestPayload"] == {"n": 1} and end["responsePayload"] == {"was": {"n": 1}}, end
assert end["requestContext"]["approximateInvokeCount"] == 1, end
assert error["requestContext"]["condition"] == "RetriesExhausted", error
assert error["requestContext"]["approximateInvokeCount"] == 2, error
assert error["requestContext"]["subject"] == "a/1", error
assert error["requestPayload"] == {"bad": True}, error
assert error["responseContext"]["functionError"] == "Unhandled", error
assert "no good" in error["responsePayload"]["errorMessage"], error
assert len(error["requestContext"]["functionArn"].split(":")[1]) == 16, error
P

rows() { python3 -c 'import sqlite3, sys; print(sqlite3.connect("file:%s?mode=ro" % sys.argv[1], uri=True).execute(sys.argv[2]).fetchone()[0])' "$work/data/moonlet.db" "$1"; }
has_rows() { [ "$(rows "$1")" = "$2" ]; }
wait_for 10 has_rows "select count(*) from item where value like '%\"condition\":\"Success\"%'" 1
wait_for 10 has_rows "select count(*) from item where value like '%RetriesExhausted%'" 1
same "dead letters" 3 "$(failed | wc -l)"

# The record and the dead letter are one transaction: over a kill both are there.
stop_moonlet KILL
mqtt_port=0; http_port=0; start_moonlet "$work/functions"
same "dead letters after the kill" 3 "$(failed | wc -l)"
same "graves after the kill" 1 "$(rows "select count(*) from item where value like '%RetriesExhausted%'")"

stop_moonlet
same "exit status" 0 "$moonlet_status"
