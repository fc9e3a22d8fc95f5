#!/bin/bash
# Money moves between accounts in many runs at once, while others add all of it up, by scan and by
# index, and the host is killed in between: every sum that a run acts on is the same, as if runs came
# one after another.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub sqlite3

accounts=12 publishers=6 transfers=60
mkdir -p "$work/functions"
cat >"$work/moonlet.lua" <<'LUA'
tables = { accounts = { key = "id", index = { by_bank = "bank,id" } }, sums = { key = "id" } }
LUA
cat >"$work/functions/transfer.lua" <<'LUA'
return {
  on = { topic = "transfer/+" }, allow = { db = "accounts" }, retries = 100, backoff = { first = "20ms", max = "200ms" },
  handler = function(event)
    local from, to = db.get("accounts", event.from), db.get("accounts", event.to)
    if event.from == event.to or from.amount < event.amount then return end
    from.amount, to.amount = from.amount - event.amount, to.amount + event.amount
    if event.amount % 2 == 0 then
      from.bank, to.bank = to.bank, from.bank
    end
    db.batch { { put = "accounts", item = from }, { put = "accounts", item = to } }
  end,
}
LUA
cat >"$work/functions/audit.lua" <<'LUA'
return {
  on = { topic = "audit/+" }, allow = { db = { "accounts", "sums" } }, retries = 100, backoff = { first = "20ms", max = "200ms" },
  handler = function(event, context)
    local sum, count, by_index, after = 0, 0, 0, nil
    local items
    repeat
      items, after = db.scan("accounts", { limit = 5, after = after })
      for _, account in ipairs(items) do sum, count = sum + account.amount, count + 1 end
    until after == nil
    for _, bank in ipairs { "a", "b" } do
      for _, account in ipairs(db.query("accounts", bank, { index = "by_bank" })) do
        by_index = by_index + account.amount
      end
    end
    db.put("sums", { id = context.id, sum = sum, count = count, by_index = by_index })
  end,
}
LUA
start() { start_moonlet "$work/functions" -c "$work/moonlet.lua" --workers 2 --data "$work/data"; }
sql() { sqlite3 -readonly "$work/data/moonlet.db" "$1"; }

start
for i in $(seq 0 $((accounts - 1))); do
  bank=a
  [ $((i % 2)) -eq 0 ] || bank=b
  "$moonlet" db put accounts "{\"id\":$i,\"amount\":100,\"bank\":\"$bank\"}" --data "$work/data"
done

# A publisher sends its lines with QoS 1, and all of them again after the kill.
lines() {
  local seed=$1
  for i in $(seq "$transfers"); do
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    echo "{\"from\":$((seed / 7 % accounts)),\"to\":$((seed / 101 % accounts)),\"amount\":$((seed / 1009 % 40 + 1))}"
  done
}
send() {
  pids=()
  for p in $(seq "$publishers"); do
    lines "$p" | mosquitto_pub -p "$mqtt_port" -q 1 -t "transfer/$p" -l &
    pids+=($!)
    seq 8 | sed 's/.*/{}/' | mosquitto_pub -p "$mqtt_port" -q 1 -t "audit/$p" -l &
    pids+=($!)
  done
}
send
audited() { [ "$(sql 'SELECT count(*) FROM db_sums')" -ge "$1" ]; }
wait_for 20 audited 5
stop_moonlet KILL
kill "${pids[@]}" 2>/dev/null || true
wait "${pids[@]}" 2>/dev/null || true
start
before=$(sql 'SELECT count(*) FROM db_sums')
send
wait "${pids[@]}"
wait_for 30 audited $((before + publishers * 8))

same "sums that are wrong" "" "$(sql "SELECT item FROM db_sums
  WHERE json_extract(item, '\$.sum') <> $((accounts * 100)) OR json_extract(item, '\$.count') <> $accounts
    OR json_extract(item, '\$.by_index') <> $((accounts * 100)) LIMIT 3")"
same "the sum at the end" $((accounts * 100)) "$(sql "SELECT sum(json_extract(item, '\$.amount')) FROM db_accounts")"
moved=$(sql "SELECT count(*) FROM db_accounts WHERE json_extract(item, '\$.amount') <> 100")
[ "$moved" -gt 2 ] || fail "only $moved accounts have changed"
stop_moonlet TERM
"$moonlet" verify "$work/data" >"$work/verified" || fail "verify: $(cat "$work/verified")"
