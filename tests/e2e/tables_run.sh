#!/bin/bash
# Handlers that read tables and act on what they read, many at once: what a query saw still holds
# when its run commits, also where the rows are new; conditions and batches; a run's own writes.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub sqlite3

mkdir -p "$work/functions"
cat >"$work/moonlet.lua" <<'LUA'
tables = {
  seats = { key = "flight", sort = "passenger" },
  log = { key = "id", index = { by_kind = "kind,n" } },
}
LUA
# At most three passengers of a flight: each event reads all that are there.
cat >"$work/functions/book.lua" <<'LUA'
return {
  on = { topic = "book/+" }, allow = { db = "seats" }, retries = 100, backoff = { first = "20ms", max = "200ms" },
  handler = function(event, context)
    local seats = db.query("seats", "LH1")
    if #seats >= 3 then return end
    db.put("seats", { flight = "LH1", passenger = context.topic:match("[^/]+$"), before = #seats })
    assert(#db.query("seats", "LH1") == #seats + 1, "a run sees its own writes")
    assert(#db.query("seats", "LH1", { reverse = true, limit = 1 }) == 1)
  end,
}
LUA
cat >"$work/functions/once.lua" <<'LUA'
return {
  on = { topic = "once/+" }, allow = { db = "log" }, retries = 100, backoff = { first = "20ms", max = "200ms" },
  handler = function(event, context)
    db.put("log", { id = "first", by = context.topic, kind = "k", n = 1 }, { if_absent = true })
    db.update("log", "count", function(item) item.n = (item.n or 0) + 1; item.kind = "k"; return item end)
    local all = db.query("log", "k", { index = "by_kind" })
    assert(#all == 2 and all[2].id == "first" or all[1].id == "first", "both are in the index")
  end,
}
LUA
cat >"$work/functions/transfer.lua" <<'LUA'
return {
  on = { topic = "never" }, allow = { db = "log" },
  handler = function(event)
    if event.fail then
      db.put("log", { id = "half" })
      error("on purpose")
    end
    local results = db.batch { { get = "log", key = "count" }, { put = "log", item = { id = "whole" } } }
    return { n = results[1].n, version = select(2, db.get("log", "count")) > 0 }
  end,
}
LUA
start_moonlet "$work/functions" -c "$work/moonlet.lua" --workers 2
sql() { sqlite3 -readonly "$work/data/moonlet.db" "$1"; }

for i in $(seq 30); do
  mosquitto_pub -p "$mqtt_port" -q 1 -t "book/p$i" -m '{}' &
  publishers+=($!)
  mosquitto_pub -p "$mqtt_port" -q 1 -t "once/p$i" -m '{}' &
  publishers+=($!)
done
wait "${publishers[@]}"

counted() { [ "$(sql "SELECT json_extract(item, '\$.n') FROM db_log WHERE id = 'count'")" = 30 ]; }
wait_for 10 counted
same "passengers" "3" "$(sql "SELECT count(*) FROM db_seats")"
same "each saw those before it" "0 1 2" \
  "$(sql "SELECT group_concat(json_extract(item, '\$.before'), ' ') FROM (SELECT item FROM db_seats ORDER BY json_extract(item, '\$.before'))")"
same "put once" 1 "$(sql "SELECT count(*) FROM db_log WHERE id = 'first'")"

invoke() { echo "$2" | "$moonlet" invoke "$1" - --data "$work/data" 2>&1; }
invoke transfer '{}' | holds '"n":[[:space:]]*30' || fail "batch: $(invoke transfer '{}')"
invoke transfer '{"fail":true}' >"$work/failed" && fail "the failing run succeeded"
same "nothing half written" 0 "$(sql "SELECT count(*) FROM db_log WHERE id = 'half'")"
same "the batch wrote" 1 "$(sql "SELECT count(*) FROM db_log WHERE id = 'whole'")"
