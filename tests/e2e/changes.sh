#!/usr/bin/env bash
# Functions that follow the changes of a table: kinds, order, batches that are halved, keys that are
# parked, replayed and discarded, and kill -9 in between.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub curl python3
python=/usr/bin/python3
"$python" -c 'import paho.mqtt' 2>/dev/null || python=python3
"$python" -c 'import paho.mqtt' 2>/dev/null || skip "Paho for Python is not installed"

functions=$work/functions
mkdir "$functions"
cat >"$functions/write.lua" <<'L'
return { on = { topic = "write/+" }, allow = { db = { "cars", "lots" } }, handler = function(event)
  if event.delete then db.delete(event.table, { id = event.delete }) end
  for _, item in ipairs(event.put or {}) do db.put(event.table, item) end
end }
L
cat >"$functions/watch.lua" <<'L'
return {
  on = { table = "cars", where = function(change) return change.kind == "delete" or not change.new.quiet end },
  allow = { publish = "seen/#" }, retries = 0,
  handler = function(change)
    if change.new and change.new.bad then error("bad " .. change.new.n) end
    mqtt.publish("seen/" .. change.key.id, change.kind .. " " .. ((change.new or change.old).n or 0), { qos = 2 })
  end,
}
L
start_moonlet "$functions"
on_host() { "$moonlet" "$@" --data "$work/data"; }
on_host db create cars --key id
on_host db create lots --key id

write() { mosquitto_pub -p "$mqtt_port" -q 1 -t "write/$1" -m "$2"; }
# It connects again after each kill.
"$python" "$tests_dir/e2e/client_watcher.py" "$mqtt_port" watcher 'seen/#' 'batch/#' >"$work/seen" 2>"$work/watcher.log" &
remember $!
wait_for 10 grep -q subscribed "$work/watcher.log"
seen() { grep "^seen/$1 " "$work/seen" | cut -d' ' -f2- | tr '\n' ',' || true; }
is_seen() { [ "$(seen "$1")" = "$2" ]; }
has_seen() { wait_for 10 is_seen "$1" "$2"; }

# Each kind, with what it is told; what `where` does not take has no effects.
write a '{"table":"cars","put":[{"id":"a","n":1}]}'
write a '{"table":"cars","put":[{"id":"a","n":2}]}'
write a '{"table":"cars","put":[{"id":"a","n":3,"quiet":true}]}'
write a '{"table":"cars","delete":"a"}'
has_seen a 'insert 1,modify 2,delete 3,'

# A bad change parks its key; other keys go on.
write b '{"table":"cars","put":[{"id":"b","n":1},{"id":"c","n":1}]}'
write b '{"table":"cars","put":[{"id":"b","n":2,"bad":true}]}'
write b '{"table":"cars","put":[{"id":"b","n":3},{"id":"c","n":2}]}'
write b '{"table":"cars","put":[{"id":"b","n":4,"bad":true}]}'
write b '{"table":"cars","put":[{"id":"b","n":5},{"id":"c","n":3}]}'
has_seen c 'insert 1,modify 2,modify 3,'
failed() { on_host failed; }
has_failed() { [ "$(failed | wc -l)" = "$1" ]; }
wait_for 10 has_failed 4
has_seen b 'insert 1,'
first=$(failed | sed -n 's/^\([0-9a-f]*\) .*bad 2.*/\1/p')
[ -n "$first" ] || fail "the bad change is not in: $(failed)"
same "those behind it" 3 "$(failed | grep -c "parked behind $first")"
on_host ls | holds '4 changes parked' || fail "ls does not tell: $(on_host ls)"

# It stays so over a restart. Let go, they run in order; the first that fails again parks the rest.
kill -9 "$moonlet_pid"
wait "$moonlet_pid" 2>/dev/null || true
start_moonlet "$functions"
write c '{"table":"cars","put":[{"id":"b","n":6}]}'
wait_for 10 has_failed 5
sed 's/change.new.bad then/change.new.n == 4 then/' "$functions/watch.lua" >"$work/mended"
mv "$work/mended" "$functions/watch.lua"
wait_for 10 bash -c "[ \$(grep -c 'watch serves' '$work/moonlet.log') -ge 2 ]"
on_host replay "$first"
has_seen b 'insert 1,modify 2,modify 3,'
wait_for 10 has_failed 3
fourth=$(failed | sed -n 's/^\([0-9a-f]*\) .*bad 4.*/\1/p')
write b '{"table":"cars","put":[{"id":"b","n":7}]}'
wait_for 10 has_failed 4
on_host discard "$fourth"
has_seen b 'insert 1,modify 2,modify 3,modify 5,modify 6,modify 7,'
wait_for 10 has_failed 0
write b '{"table":"cars","put":[{"id":"b","n":8}]}'
has_seen b 'insert 1,modify 2,modify 3,modify 5,modify 6,modify 7,modify 8,'

# Batches: one that fails is halved until the bad change is alone.
cat >"$functions/batches.lua" <<'L'
return {
  on = { table = "lots", batch = 50, window = "200ms", where = function(change) return change.new.n ~= 13 end },
  allow = { publish = "batch/#" }, retries = 0,
  handler = function(changes)
    for _, change in ipairs(changes) do
      if change.new.bad then error("bad " .. change.new.n) end
      mqtt.publish("batch/" .. change.key.id, change.new.n, { qos = 1 })
    end
    mqtt.publish("batch/size", #changes, { qos = 1 })
  end,
}
L
wait_for 10 grep -q 'batches serves' "$work/moonlet.log"
items=$(python3 -c 'import json
print(json.dumps({"table": "lots", "put": [dict({"id": "k%d" % (n % 5), "n": n}, **({"bad": True} if n == 22 else {})) for n in range(40)]}))')
write many "$items"
wait_for 10 has_failed 4
numbers() { sed -n 's/^batch\/k[0-9] //p' "$work/seen" | sort -n | tr '\n' ' '; }
expected=$(python3 -c 'print("".join("%d " % n for n in range(40) if n not in (13, 22, 27, 32, 37)), end="")')
all_numbers() { [ "$(numbers)" = "$expected" ]; }
wait_for 10 all_numbers
for key in 0 1 2 3 4; do
  sed -n "s/^batch\/k$key //p" "$work/seen" | sort -nc || fail "k$key is not in order: $(cat "$work/seen")"
done
same "the bad change" 1 "$(failed | grep -c 'bad 22')"
same "those of its key" 3 "$(failed | grep -c 'parked behind')"
on_host discard "$(failed | sed -n 's/^\([0-9a-f]*\) .*bad 22.*/\1/p')"
wait_for 10 has_failed 0
expected=$(python3 -c 'print("".join("%d " % n for n in range(40) if n not in (13, 22)), end="")')
wait_for 10 all_numbers

# kill -9 while changes come: each has its effect once.
: >"$work/expected"
for round in 1 2 3; do
  for n in $(seq 1 20); do
    write "r$round" "$(python3 -c "import json
print(json.dumps({'table': 'cars', 'put': [{'id': 'r%d' % k, 'n': $round * 1000 + $n} for k in range(20)]}))")"
    echo "$((round * 1000 + n))" >>"$work/expected"
  done
  kill -9 "$moonlet_pid"
  wait "$moonlet_pid" 2>/dev/null || true
  start_moonlet "$functions"
done
all_once() {
  for key in $(seq 0 19); do
    sed -n "s/^seen\/r$key [a-z]* //p" "$work/seen" | cmp -s - "$work/expected" || return 1
  done
}
(wait_for 20 all_once) || fail "$(for key in $(seq 0 19); do
  sed -n "s/^seen\/r$key [a-z]* //p" "$work/seen" | diff "$work/expected" - | sed "s/^/r$key: /"; done | head -50; on_host failed)"
not_behind() { ! on_host ls | holds 'changes behind'; }
wait_for 10 not_behind
has_no_lag() { curl -sf "http://127.0.0.1:$http_port/metrics" | holds '^moonlet_changes_behind{function="watch",table="cars"} 0'; }
wait_for 10 has_no_lag

# Functions that feed themselves by a table come to an end, one by one and in batches.
for kind in one many; do
  on_host db create "self_$kind" --key id
  cat >"$functions/self_$kind.lua" <<L
return {
  on = { table = "self_$kind"$([ $kind = many ] && echo ', batch = 10') }, allow = { db = "self_$kind" },
  handler = function(change)
    local key = (change[1] or change).key
    db.update("self_$kind", key, function(item) item.n = (item.n or 0) + 1 return item end)
  end,
}
L
  wait_for 10 grep -q "self_$kind serves table self_$kind" "$work/moonlet.log"
  on_host db put "self_$kind" '{"id":"a"}' >/dev/null
  wait_for 10 grep -q "triggered each other 16 times in a row; the change of .* in table self_$kind triggers self_$kind no more" "$work/moonlet.log"
  same "runs of self_$kind" 17 "$(on_host db get "self_$kind" a | sed 's/.*"n":\([0-9]*\).*/\1/')"
  rm "$functions/self_$kind.lua"
done

# The log's bounds hold, and what they take from a function that does not keep up is told.
stop_moonlet
same "exit status" 0 "$moonlet_status"
cat >"$functions/stuck.lua" <<'L'
return { on = { table = "lots" }, order = "function", retries = 100, handler = function() error("not today") end }
L
start_moonlet "$functions" --changes-bytes-max 64KiB
for n in 1 2 3; do
  write many "$(python3 -c "import json
print(json.dumps({'table': 'lots', 'put': [{'id': 'm%d' % k, 'n': 100000 + $n, 'text': 'x' * 200} for k in range(500)]}))")"
done
lost() { curl -s "http://127.0.0.1:$http_port/metrics" | sed -n 's/^moonlet_changes_lost_total{function="stuck",table="lots"} //p'; }
has_lost() { [ "$(lost)" -gt 0 ]; }
wait_for 10 has_lost
wait_for 10 grep -q 'function stuck has lost [0-9]* changes of table lots' "$work/moonlet.log"
kept() { curl -s "http://127.0.0.1:$http_port/metrics" | sed -n 's/^moonlet_change_log_bytes //p'; }
is_bounded() { [ "$(kept)" -gt 0 ] && [ "$(kept)" -le 65536 ]; }
wait_for 10 is_bounded
rm "$functions/stuck.lua"

stop_moonlet
same "exit status" 0 "$moonlet_status"
