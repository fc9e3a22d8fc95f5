#!/bin/bash
# Tables from the command line, from SQL, and across a kill -9: definitions, items, queries, indexes
# that are filled later, time to live, and what is refused.
. "$(dirname "$0")/lib.sh"
need sqlite3

cat >"$work/moonlet.lua" <<'LUA'
tables = { declared = { key = "id", index = { by_place = "place" } } }
LUA
start() { start_moonlet "$work/functions" -c "$work/moonlet.lua"; }
db() { "$moonlet" db "$@" --data "$work/data"; }
sql() { sqlite3 -readonly "$work/data/moonlet.db" "$1"; }
refused() {
  local text=$1
  shift
  db "$@" >"$work/refused" 2>&1 && fail "db $* was not refused"
  grep -qF -- "$text" "$work/refused" || fail "db $*: $(cat "$work/refused")"
}

start
db ls | holds '^declared *key id  index by_place place$' || fail "declared: $(db ls)"
db create cars --key id
db create readings --key id --sort ts --ttl expires --index by_place=place,ts
same "create again" "" "$(db create cars --key id)"
refused "with another key" create cars --key name
db create two --key id --index one=a --index other=b,c
same "two indexes" "two key id index one a index other b,c" "$(db ls | grep '^two' | xargs)"
refused "NAME=KEY" create three --key id --index one
refused "create needs --key" create planes
refused "differ in more than capitals" create Cars --key id
refused "1 to 64 letters" create 'a b' --key id

db put cars '{"id":"audi22","readings":9007199254740993,"gps":{"lat":48.1}}'
same "get" '{"id":"audi22","readings":9007199254740993,"gps":{"lat":48.1}}' "$(db get cars audi22)"
db get cars '{"id":"audi22"}' >/dev/null
refused "there is no item" get cars nobody
refused "there is no table" get planes x
refused "\"id\" is missing" put cars '{"x":1}'
refused "must be a number or a string" put cars '{"id":true}'
refused "not a JSON object" put cars '{"id":'
refused "not as it was expected" put cars '{"id":"audi22"}' --if-absent
version=$(db get cars audi22 --json | sed 's/.*"version":\([0-9]*\).*/\1/')
db put cars '{"id":"audi22","readings":1}' --if-version "$version"
refused "not as it was expected" put cars '{"id":"audi22"}' --if-version "$version"
refused "if_version is a number" put cars '{"id":"audi22"}' --if-version abc
head -c 420000 /dev/zero | tr '\0' x | sed 's/^/{"id":"big","x":"/; s/$/"}/' >"$work/big"
refused "at most 400 KiB" put cars "$work/big"

for ts in 10 9 2.5 -1; do db put readings "{\"id\":\"a\",\"ts\":$ts,\"place\":\"x\"}"; done
db put readings '{"id":"b","ts":3,"place":"x"}'
same "query" "-1 2.5 9 10" "$(db query readings a | sed 's/.*"ts":\([^,]*\),.*/\1/' | xargs)"
same "range" "9 2.5" "$(db query readings a --from 0 --to 9 --reverse | sed 's/.*"ts":\([^,]*\),.*/\1/' | xargs)"
same "index" "-1 2.5 3 9 10" "$(db query readings x --index by_place | sed 's/.*"ts":\([^,]*\),.*/\1/' | xargs)"
same "limit" 2 "$(db scan readings --limit 2 | wc -l)"
after=$(db scan readings --limit 2 --json | sed 's/.*"after":"\([0-9a-f]*\)".*/\1/')
same "after" 3 "$(db scan readings --after "$after" | wc -l)"
refused '"ts" is missing' get readings a
refused "table cars has no sort key" get cars audi22 5
refused "there is no table" get planes a b
refused '"far" has a number beyond' put cars '{"id":"audi22","far":[1e999]}'
refused "no sort key" query cars audi22 --from 1
refused 'no index "nope"' query readings a --index nope

# SQL, while the host runs
same "a view" "audi22|1" "$(sql "SELECT id, json_extract(item, '\$.readings') FROM db_cars")"
same "a view's rows" "5|10" "$(sql "SELECT count(*), max(ts) FROM db_readings WHERE place = 'x'")"

# ... as the manual shows it
grep '^sqlite> ' "$source_dir/docs/storage.md" | sed 's/^sqlite> //' >"$work/examples"
[ "$(lines "$work/examples")" -ge 5 ] || fail "docs/storage.md has no examples"
while IFS= read -r example; do
  sql "$example" >/dev/null || fail "docs/storage.md: $example"
done <"$work/examples"

# an index over items that are there already
db put cars '{"id":"n0","fleet":"f"}'
db create cars --key id --index by_fleet=fleet
fleet() { db query cars f --index by_fleet; }
wait_for 5 fleet
same "a new index" '{"id":"n0","fleet":"f"}' "$(fleet)"

# expired items go
db put readings '{"id":"gone","ts":1,"expires":1000}'
refused "there is no item" get readings gone 1
swept() { [ "$(sql "SELECT count(*) FROM db_readings WHERE id = 'gone'")" = 0 ]; }
wait_for 10 swept
same "the change of it" '{"id":"gone","ts":1}|1' \
  "$(sql "SELECT json_extract(value, '\$.key'), json_extract(value, '\$.expired') FROM change WHERE json_extract(value, '\$.kind') = 'delete'")"

db delete cars n0
stop_moonlet KILL
start
same "after kill -9" '{"id":"audi22","readings":1}' "$(db scan cars)"
same "the index" "" "$(fleet)"
# the configuration again, without a restart
cat >"$work/moonlet.lua" <<'LUA'
tables = { declared = { key = "id" }, later = { key = "id", ttl = "ends" } }
LUA
kill -HUP "$moonlet_pid"
declared() { db ls | holds '^later *key id  ttl ends$' && db ls | holds '^declared *key id$'; }
wait_for 10 declared

db drop readings
refused "there is no table" scan readings
dropped() { [ "$(sql "SELECT (SELECT count(*) FROM item WHERE key GLOB 'readings*') + (SELECT count(*) FROM item_index) + (SELECT count(*) FROM meta WHERE key GLOB 'work/*')")" = 0 ]; }
wait_for 10 dropped
db create readings --key other
same "made anew" "" "$(db scan readings)"
stop_moonlet TERM
"$moonlet" verify "$work/data" || fail "moonlet verify found problems"

# a configuration that changes a table's key is refused at start
echo 'tables = { declared = { key = "other" } }' >"$work/moonlet.lua"
"$moonlet" run --functions "$work/functions" --data "$work/data" --mqtt off --http off -c "$work/moonlet.lua" \
  >"$work/wrong.log" 2>&1 && fail "a changed key was taken"
grep -q 'table declared is there already, with another key' "$work/wrong.log" || fail "$(cat "$work/wrong.log")"

# a view that is missing is made again
sqlite3 "$work/data/moonlet.db" 'DROP VIEW db_cars'
python3 "$tests_dir/stamp_pages.py" "$work/data/moonlet.db"
rm "$work/moonlet.lua"
start_moonlet "$work/functions"
same "the view again" audi22 "$(sql "SELECT id FROM db_cars")"
