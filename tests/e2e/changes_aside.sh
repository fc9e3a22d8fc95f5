#!/usr/bin/env bash
# Batches with changes that fail once and again, over kill -9: those keys stand aside, each change
# has its effects once, and those of a key in their order; one that fails for good parks its key.
. "$(dirname "$0")/lib.sh"
need sqlite3

keys=12 changes=40
mkdir -p "$work/functions"
cat >"$work/moonlet.lua" <<'LUA'
tables = { lots = { key = "id" }, out = { key = "id" } }
LUA
cat >"$work/functions/batches.lua" <<'LUA'
return {
  on = { table = "lots", batch = 25, start = "oldest" }, allow = { db = "out" },
  retries = 3, backoff = { first = "100ms", max = "300ms" },
  handler = function(changes, context)
    for _, change in ipairs(changes) do
      local id, n = change.key.id, change.new.n
      db.update("out", { id = id }, function(row)
        row.list = row.list or {}
        assert((row.list[#row.list] or 0) < n, "out of order")
        table.insert(row.list, n)
        return row
      end)
      if id == "k3" and n == 20 then error("for good") end
      if n % 7 == 0 and context.attempt <= 2 then error("not yet") end
    end
  end,
}
LUA
cat >"$work/functions/fill.lua" <<'LUA'
return { on = { topic = "fill" }, allow = { db = "lots" },
  handler = function(event) db.batch((function()
    local list = {}
    for k = 1, event.keys do list[k] = { put = "lots", item = { id = "k" .. k, n = event.n } } end
    return list
  end)()) end }
LUA
start() { mqtt_port=0; http_port=0; start_moonlet "$work/functions" --config "$work/moonlet.lua"; }
ask() { sqlite3 "$work/data/moonlet.db" "$1"; }
list() { ask "SELECT json_extract(value, '\$.list') FROM item WHERE json_extract(value, '\$.id') = '$1' AND json_extract(value, '\$.list') IS NOT NULL"; }
all() { ask "SELECT count(*) FROM item WHERE json_array_length(value, '\$.list') = $changes"; }
whole="[$(seq -s, 1 $changes)]"

start
for n in $(seq $changes); do echo "{\"keys\":$keys,\"n\":$n}"; done |
  while read -r event; do echo "$event" >"$work/event.json"; "$moonlet" invoke --data "$work/data" fill "$work/event.json" >/dev/null; done
for _ in 1 2; do
  stop_moonlet KILL
  cat "$work/moonlet.log" >>"$work/earlier.txt"
  start
done
complete() { [ "$(all)" = $((keys - 1)) ]; }
wait_for 40 complete
for k in $(seq $keys); do [ "$k" = 3 ] || same "changes of k$k" "$whole" "$(list "k$k")"; done
parked() { [ "$(ask "SELECT count(*) FROM parked")" = $((changes - 19)) ]; }
wait_for 20 parked
same "changes of k3" "[$(seq -s, 1 19)]" "$(list k3)"

# The batches did not wait for the retries of the bad ones.
grep -q 'failed alone, it is tried again aside' "$work/moonlet.log" "$work/earlier.txt" || fail "nothing stood aside"

# Mended and let go, its key is whole too.
sed -i 's/for good") end/& --/; s/if id == "k3" and n == 20/if false/' "$work/functions/batches.lua"
wait_for 20 bash -c "[ \$(grep -c 'batches serves' '$work/moonlet.log') -ge 2 ]"
"$moonlet" replay --data "$work/data" "$("$moonlet" failed --data "$work/data" | sed -n 's/^\([0-9a-f]*\) .*for good.*/\1/p')" >/dev/null
complete() { [ "$(all)" = $keys ]; }
wait_for 40 complete
same "changes of k3" "$whole" "$(list k3)"
same "failed" 0 "$(ask "SELECT count(*) FROM failed")"
stop_moonlet
same "exit status" 0 "$moonlet_status"
