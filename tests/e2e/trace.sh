#!/bin/bash
# Kept runs: what moonlet trace tells of them, and that moonlet replay --local repeats them to the bit.
. "$(dirname "$0")/lib.sh"
need python3 mosquitto_pub

functions=$work/functions
mkdir -p "$functions"
cat >"$functions/order.lua" <<'LUA'
return {
  on = { topic = "orders/+" },
  retries = 1,
  allow = { shadow = "*", invoke = "price", secrets = "key", publish = "out/#" },
  handler = function(event, context)
    log.info("order of " .. event.n)
    local shadow_is = shadow.get("car")
    local price = invoke.call("price", { n = event.n })
    local key = secrets.get("key")
    log.warn("key " .. key, math.random(1000), os.time(), uuid.v4())
    mqtt.publish("out/" .. context.topic:match("[^/]+$"), { price = price.total, key = key })
    if event.n > 5 then error("too much: " .. event.n) end
    return { total = price.total }
  end,
}
LUA
cat >"$functions/price.lua" <<'LUA'
return { on = { topic = "prices/+" }, handler = function(event) return { total = event.n * 2 } end }
LUA
cp "$tests_dir/exact.lua" "$functions/exact.lua"
cat >"$work/moonlet.lua" <<'LUA'
secrets = { key = "never-to-be-seen" }
LUA
start_moonlet "$functions" -c "$work/moonlet.lua"
run() { "$moonlet" "$@" --data "$work/data"; }
field() { python3 -c 'import json, sys; v = json.load(sys.stdin)
for k in sys.argv[1:]: v = v[int(k) if k.lstrip("-").isdigit() else k]
print(v if isinstance(v, str) else json.dumps(v))' "$@"; }
traces_of() { run trace --json --function "$1" "${@:2}" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'; }
# replays WHAT STATUS ARGUMENT...: into $work/replay
replays() {
  local status=0
  run replay --local "${@:3}" >"$work/replay" 2>&1 || status=$?
  [ "$status" = "$2" ] || fail "$1: exit $status: $(cat "$work/replay")"
}
says() { grep -qF -- "$2" "$work/$1" || fail "$1 does not say '$2': $(cat "$work/$1")"; }

# Failed runs are kept whole, each attempt; those that succeed are not.
run pub orders/small '{"n":3}' --qos 1
run pub orders/big '{"n":9}' --qos 1
wait_for 10 sh -c "'$moonlet' failed order --data '$work/data' | grep -q 'too much'"
wait_for 5 sh -c "'$moonlet' trace --json --data '$work/data' | python3 -c 'import json, sys; sys.exit(len(json.load(sys.stdin)) != 2)'"
id=$(run trace --json | field 0 id)
run trace "$id" >"$work/story"
says story "topic orders/big"
says story 'payload  {"n":9}'
says story "matches  order"
says story "price: it listens to topic prices/+"
says story "attempt 1: failed"
says story "attempt 2: failed"
says story 'invoke.call price {"n":9} -> {"total":18}'
says story "shadow.get car -> nil"
says story "secrets.get key -> (a secret)"
says story "log info: order of 9"
says story "order.lua:12: too much: 9"
says story "stack traceback:"
grep -q never-to-be-seen "$work/story" && fail "the story holds the secret"
# The log has a line for each event; the traceback is where there is room.
grep -q 'error order\[.*: attempt 2 failed, given up: order.lua:12: too much: 9$' "$work/moonlet.log" || fail "the line of the error"
grep -q 'stack traceback' "$work/moonlet.log" && fail "the log has a traceback"
run logs order >"$work/logs"
says logs "too much: 9"
says logs "    stack traceback:"
# ... also by the id of the dead letter.
letter=$(run failed order --json | field 0 id)
same "event of the dead letter" "$id" "$(run trace "$letter" --json | field runs 0 id)"
run trace 0123 >"$work/none" 2>&1 && fail "there is a trace of no id"
says none "there is no trace of that id"

# The same again, without a host's help; and with a fix.
replays "the failed run" 0 "$id"
says replay "the same, to the bit"
replays "by the dead letter" 0 "$letter"
sed 's/event.n > 5/event.n > 50/' "$functions/order.lua" >"$work/fix.lua"
replays "the fixed run" 1 "$id" --with "$work/fix.lua"
says replay '- error order.lua:12: too much: 9'
says replay '+ effect {"publish":"out/big"'
says replay '+ result {"total":18}'
# ... what was not recorded, or otherwise, is said.
sed 's/{ n = event.n })/{ n = event.n + 1 })/' "$functions/order.lua" >"$work/other.lua"
replays "another question" 1 "$id" --with "$work/other.lua"
says replay 'invoke.call price {"n":10}: differs from the recorded one, whose answer it gets'
sed 's/shadow.get("car")/shadow.get("bus")/' "$functions/order.lua" >"$work/other.lua"
replays "a new question" 1 "$id" --with "$work/other.lua"
says replay 'shadow.get bus: was not recorded; the handler gets an error'
says replay 'shadow.get car: was recorded and is not made now'
echo 'return {' >"$work/broken.lua"
replays "a broken file" 2 "$id" --with "$work/broken.lua"
says replay "it does not load: order.lua:"
same "by program" true "$(run replay "$id" --local --json | field same)"

# A file of its own goes anywhere; and the data folder will do when no host runs.
run trace "$id" --save "$work/saved.trace"
stop_moonlet
replays "no host runs" 0 "$id"
"$moonlet" replay "$work/saved.trace" --local --data "$work/nowhere" >"$work/replay" || fail "a saved trace: $(cat "$work/replay")"
grep -rq never-to-be-seen "$work/data" "$work/saved.trace" && fail "the secret stands in the data folder"

# All that could differ from run to run: in fresh workers, and of the ten thousandth run of a busy one.
sed -i 's/for i = 1, 20000 do/for i = 1, 200 do/' "$functions/exact.lua"
start_moonlet "$functions" -c "$work/moonlet.lua" --record --workers 1 --trace-count-max 200
printf '{"n":%d}\n' $(seq 10000) | mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -t exact/in -q 1 -l
handled() { run ls --json | python3 -c 'import json, sys; sys.exit(next(f["invocations"] for f in json.load(sys.stdin) if f["name"] == "exact") < 10000)'; }
wait_for 60 handled
newest_is_last() {
  id=$(run trace --json --function exact -n 1 | field 0 id)
  grep -q '"n":10000' <<<"$(run trace "$id" --json | field runs 0 event payload)"
}
wait_for 10 newest_is_last
bounded() { [ "$(traces_of exact -n 1000)" = 200 ]; }
wait_for 10 bounded
for i in $(seq 20); do
  replays "replay $i" 0 "$id"
  says replay "the same, to the bit"
  [ "$i" -gt 1 ] || cp "$work/replay" "$work/first"
  diff "$work/first" "$work/replay" >&2 || fail "replay $i prints something else"
done
stop_moonlet

# One in N of those that succeed.
rm -rf "$work/data"
start_moonlet "$functions" --trace-sample 10
printf '{"n":%d}\n' $(seq 100) | mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -t prices/a -q 1 -l
sampled() { [ "$(traces_of price -n 1000)" = 10 ]; }
wait_for 10 sampled
counted() { curl -sS -m 120 "http://127.0.0.1:$http_port/metrics" | holds '^moonlet_traces_total 10$'; }
wait_for 10 counted
stop_moonlet

# Tables, state and the answers that a run makes itself: every kept run is the same again.
rm -rf "$work/data"
cat >"$functions/trip.lua" <<'LUA'
return {
  on = { topic = "trips/+" }, retries = 0, allow = { db = { "cars", "readings" } },
  handler = function(event)
    local seen = (state.get("seen") or 0) + 1
    state.set("seen", seen)
    local car = db.update("cars", { id = event.id }, function(car)
      car.readings = (car.readings or 0) + 1
      return car
    end)
    db.put("readings", { id = event.id, n = event.n, at = time.now(), serial = 9007199254740993 })
    local last = db.query("readings", { id = event.id }, { limit = 3, reverse = true })
    timer.set("quiet", "5m", { n = event.n })
    for key, value in pairs(car) do log.info(key, tostring(value)) end
    if event.n == 4 then error({ car = car, last = last }) end
    return last
  end,
}
LUA
start_moonlet "$functions" --record
for table in '{"name":"cars","key":"id"}' '{"name":"readings","key":"id","sort":"n"}'; do
  curl -sS -m 120 --unix-socket "$work/data/moonlet.sock" -X PUT -d "$table" \
    "http://moonlet/v1/tables/$(field name <<<"$table")" >"$work/defined" || fail "define $table"
done
printf '{"id":"audi","n":%d}\n' 1 2 3 4 | mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -t trips/a -q 1 -l
tripped() { [ "$(traces_of trip)" -ge 4 ]; }
wait_for 10 tripped
same "failed trips" 1 "$(traces_of trip --failed)"
for trace in $(run trace --json --function trip | python3 -c 'import json, sys; print(*(t["id"] + ":" + t["run"] for t in json.load(sys.stdin)))'); do
  replays "a trip" 0 "${trace%:*}" --run "${trace#*:}"
  says replay 'call db.query readings ["audi"]'
done
run trace "$(run trace --json --function trip | python3 -c 'import json, sys; print(next(t["id"] for t in json.load(sys.stdin) if t["end"] == "done"))')" >"$work/story"
grep 'result.*"serial":9007199254740993' "$work/story" >"$work/numbers" || fail "a whole number of 64 bits in the story: $(cat "$work/story")"
stop_moonlet

# Live figures.
start_moonlet "$functions"
until [ -e "$work/enough" ]; do echo '{"n":1}'; sleep 0.05; done | mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -t prices/a -q 1 -l &
remember $!
busy() { run top --once --json | python3 -c 'import json, sys; t = json.load(sys.stdin); f = t["functions"][0]; sys.exit(not (f["function"] == "price" and f["events_per_s"] > 1 and 0 <= f["p50_ms"] <= f["p99_ms"]))'; }
wait_for 20 busy
run top --once >"$work/top"
touch "$work/enough"
says top "events/s"
grep -q '^price ' "$work/top" || fail "top without the function: $(cat "$work/top")"
stop_moonlet
run top --once >"$work/top" 2>&1 && fail "top without a host"
says top "no moonlet runs here"
