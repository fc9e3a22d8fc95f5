#!/usr/bin/env bash
# A backup taken under load is whole; it restores; a damaged database is refused and left alone.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub sqlite3 curl

mkdir "$work/functions"
cp "$source_dir/functions/trips.lua" "$work/functions"
start_moonlet "$work/functions"
curl -sf --unix-socket "$work/data/moonlet.sock" -X PUT http://local/v1/tables/cars \
  -d '{"name":"cars","key":"id","ttl":"expires","indexes":[{"name":"by_count","key":"readings"}]}' >"$work/reply"

reading() { printf '{"deviceid":"car%d","gps":[1,2]}\n' "$1"; }
for car in 1 2 3; do reading $car; done | mosquitto_pub -p "$mqtt_port" -q 1 -t iot/ccar-ad/x -l

# While a stream runs: each copy is a state that there was.
for _ in $(seq 3000); do reading 4; done | mosquitto_pub -p "$mqtt_port" -q 1 -t iot/ccar-ad/x -l &
publisher=$!
remember "$publisher"
for i in 1 2 3; do
  "$moonlet" backup --data "$work/data" "$work/copy$i.db" >"$work/out" || fail "backup $i: $(cat "$work/out")"
  "$moonlet" verify "$work/copy$i.db" >"$work/out" || fail "copy $i: $(cat "$work/out")"
done
wait "$publisher"
same "mode of a copy" 600 "$(stat -c %a "$work/copy1.db")"
"$moonlet" backup --data "$work/data" "$work/copy1.db" 2>"$work/out" && fail "an existing file was replaced"
grep -q 'is there already' "$work/out" || fail "$(cat "$work/out")"
"$moonlet" backup --force --data "$work/data" "$work/copy1.db" >"$work/out"
"$moonlet" verify --data "$work/data" >"$work/out" || fail "$(cat "$work/out")"

stop_moonlet
mkdir "$work/restored"
cp "$work/copy1.db" "$work/restored/moonlet.db"
count="SELECT json_extract(value, '\$.readings') FROM item WHERE value LIKE '%car4%'"
same "readings in the copy" 3000 "$(sqlite3 "$work/restored/moonlet.db" "$count")"

# What does not fit together is found.
sqlite3 "$work/restored/moonlet.db" "DELETE FROM item_index WHERE key IN (SELECT key FROM item_index LIMIT 1)"
"$moonlet" verify "$work/restored" >"$work/out" 2>&1 && fail "a foreign hand was not noticed"
grep -q 'a page has changed' "$work/out" || fail "$(cat "$work/out")"
python3 "$tests_dir/stamp_pages.py" "$work/restored/moonlet.db"
"$moonlet" verify "$work/restored" >"$work/out" && fail "a missing index row was not found"
grep -q 'item_index: .* is missing in index by_count of table cars' "$work/out" || fail "$(cat "$work/out")"

# A damaged file: no start, one line with the file and the remedy, nothing touched.
size=$(stat -c %s "$work/copy2.db")
python3 - "$work/copy2.db" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(0, 2)
    size = f.tell()
    for at in range(4096, size, 4096):
        f.seek(at)
        f.write(b"\xde\xad" * 1024)
PY
mkdir "$work/damaged"
cp "$work/copy2.db" "$work/damaged/moonlet.db"
before=$(sha256sum <"$work/damaged/moonlet.db")
status=0
"$moonlet" run --functions "$work/functions" --data "$work/damaged" --mqtt 127.0.0.1:0 --http off >"$work/out" 2>&1 || status=$?
same "exit of a host with a damaged database" 1 "$status"
grep -q "damaged/moonlet.db.*damaged.*restore it from a backup" "$work/out" || fail "$(cat "$work/out")"
same "the damaged file" "$before" "$(sha256sum <"$work/damaged/moonlet.db")"
same "its size" "$size" "$(stat -c %s "$work/damaged/moonlet.db")"
"$moonlet" verify "$work/damaged" >"$work/out" 2>&1 && fail "damage was not found"

# ... nor its header, where a single byte of a copy has changed; nor what another program keeps there.
refused() { # WHAT PATTERN
  before=$(sha256sum <"$work/refused/moonlet.db")
  "$moonlet" run --functions "$work/functions" --data "$work/refused" --mqtt 127.0.0.1:0 --http off >"$work/out" 2>&1 && fail "$1 was taken"
  grep -q "refused/moonlet.db: .*$2" "$work/out" || fail "$1: $(cat "$work/out")"
  same "$1" "$before" "$(sha256sum <"$work/refused/moonlet.db")"
}
mkdir "$work/refused"
cp "$work/copy3.db" "$work/refused/moonlet.db"
python3 - "$work/refused/moonlet.db" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    at = f.seek(0, 2) - 2000
    f.seek(at)
    byte = f.read(1)[0]
    f.seek(at)
    f.write(bytes([byte ^ 1]))
PY
refused "a changed byte" "damaged (a page has changed); restore it from a backup"
rm -r "$work/refused"
mkdir "$work/refused"
sqlite3 "$work/refused/moonlet.db" "CREATE TABLE others (a); INSERT INTO others VALUES (1)"
refused "another program's database" "another program's database; move it away"
