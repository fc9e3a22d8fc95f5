#!/usr/bin/env bash
# The files of a host that was killed, or stopped, are damaged by a die: it refuses to start, names
# file and remedy and touches nothing, or it serves exactly what was committed, or it says that what
# was asked for is damaged. TEST_LONG makes it two hundred.
. "$(dirname "$0")/lib.sh"
need python3 mosquitto_pub mosquitto_sub

cases=12
[ -z "${TEST_LONG:-}" ] || cases=200
seed=$(seed)
mkdir "$work/functions"
cat >"$work/functions/put.lua" <<'LUA'
return {
  on = { topic = "in/+" }, allow = { db = "cars" },
  handler = function(event) db.put("cars", event) end,
}
LUA
start_moonlet "$work/functions"
"$moonlet" db --data "$work/data" create cars --key id --index by_place=place >"$work/out"
python3 - <<'PY' >"$work/readings"
import random
random.seed(1)
for i in range(1500):
    print('{"id":%d,"place":"p%d","text":"%s"}' % (i % 700, i % 7, "".join(random.choice("abcdef") for _ in range(random.choice((20, 300, 6000))))))
PY
publish() { mosquitto_pub -p "$mqtt_port" -q 1 -t in/x -l; }
head -1000 "$work/readings" | publish
mosquitto_pub -p "$mqtt_port" -q 1 -r -t kept/1 -m "a retained message"
[ "$("$moonlet" db --data "$work/data" scan cars | wc -l)" = 700 ] || fail "the table is not full"
stop_moonlet
cp -r "$work/data" "$work/stopped"
mqtt_port=0 http_port=0
start_moonlet "$work/functions"
tail -500 "$work/readings" | publish
"$moonlet" db --data "$work/data" scan cars >"$work/killed.items"
stop_moonlet KILL
cp -r "$work/data" "$work/killed"
mqtt_port=0 http_port=0
rm -rf "$work/data"
cp -r "$work/stopped" "$work/data"
start_moonlet "$work/functions"
"$moonlet" db --data "$work/data" scan cars >"$work/stopped.items"
stop_moonlet

damage() { # FOLDER SEED
  python3 - "$@" <<'PY'
import os, random, sys
folder, seed = sys.argv[1], int(sys.argv[2])
random.seed(seed)
names = ["moonlet.db"] * 3 + ["moonlet.db-wal"] * 3 + ["moonlet.mark"]
path = os.path.join(folder, random.choice(names))
if not os.path.exists(path) or os.path.getsize(path) == 0:
    path = os.path.join(folder, "moonlet.db")
data = bytearray(open(path, "rb").read())
kind, at = random.randrange(5), random.randrange(len(data))
if kind == 0:
    data[at] ^= 1 << random.randrange(8)
elif kind == 1:
    data[at : at + 8] = random.randbytes(len(data[at : at + 8]))
elif kind in (2, 3):
    block = 512 if kind == 2 else 4096
    at = at // block * block
    data[at : at + block] = bytes(len(data[at : at + block]))
else:
    del data[at:]
open(path, "wb").write(data)
print("%s, kind %d at %d" % (os.path.basename(path), kind, at))
PY
}

# An empty journal is none.
sums() { (cd "$work/data" && find . -name 'moonlet.db*' ! -name '*-shm' -size +0 -o -name moonlet.mark | sort | xargs sha256sum); }
ended_or_ready() { ! kill -0 "$moonlet_pid" 2>/dev/null || grep -q ready "$work/moonlet.log"; }

refused=0 noticed=0 served=0
for ((i = 0; i < cases; i++)); do
  state=stopped
  [ $((i % 3)) -eq 0 ] || state=killed
  rm -rf "$work/data"
  cp -r "$work/$state" "$work/data"
  what="seed $((seed + i)): $state, $(damage "$work/data" $((seed + i)))"
  before=$(sums)
  : >"$work/moonlet.log" # of the host before: this one opens it when it has been forked
  "$moonlet" run --functions "$work/functions" --data "$work/data" --mqtt 127.0.0.1:0 --http off >"$work/moonlet.log" 2>&1 &
  moonlet_pid=$!
  remember "$moonlet_pid"
  wait_for 30 ended_or_ready
  if kill -0 "$moonlet_pid" 2>/dev/null; then
    status=0
    "$moonlet" db --data "$work/data" scan cars >"$work/items" 2>"$work/out" || status=$?
    if [ "$status" = 0 ]; then
      cmp -s "$work/items" "$work/$state.items" || fail "$what: served wrong"
      served=$((served + 1))
    else
      grep -q damaged "$work/out" || fail "$what: $(cat "$work/out")"
      noticed=$((noticed + 1))
    fi
    stop_moonlet
    same "$what: exit status" 0 "$moonlet_status"
  else
    status=0
    wait "$moonlet_pid" || status=$?
    same "$what: exit status" 1 "$status"
    grep -q "$work/data/moonlet\." "$work/moonlet.log" || fail "$what: names no file"
    grep -Eq "backup|remove" "$work/moonlet.log" || fail "$what: names no remedy"
    same "$what: the files" "$before" "$(sums)"
    "$moonlet" verify --data "$work/data" >"$work/out" 2>&1 && fail "$what: moonlet verify finds nothing"
    ! grep -q 'I/O error' "$work/out" || fail "$what: moonlet verify says $(cat "$work/out")"
    refused=$((refused + 1))
  fi
done
echo "$cases damaged from seed $seed on: $refused refused, $noticed noticed by a read, $served served what was committed"
