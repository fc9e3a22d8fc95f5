#!/usr/bin/env bash
# What removed functions leave: it stays and is shown, a function that comes back goes on with it,
# moonlet forget deletes it, and so does the end of the grace unless events wait.
. "$(dirname "$0")/lib.sh"
need curl sqlite3 mosquitto_pub

mkdir -p "$work/functions" "$work/away" "$work/files/in"
cat >"$work/moonlet.lua" <<'LUA'
tables = { cars = { key = "id" } }
LUA
cat >"$work/functions/much.lua" <<'LUA'
return {
  on = { { topic = "much/+" }, { table = "cars", start = "oldest" }, { schedule = "every 1h" }, { file = "in/*" } },
  retries = 5, backoff = { first = "1min", max = "1min" },
  handler = function(event, context)
    if context.trigger == "topic" and event == "fail" then error("not yet") end
    if context.trigger == "table" and event.key.id == "bad" then error("no") end
    local n = (state.get("n") or 0) + 1
    state.set("n", n)
    if context.trigger == "topic" then timer.set("t", "1h") end
    log.info("n is", n)
  end,
}
LUA
cat >"$work/functions/some.lua" <<'LUA'
return { on = { topic = "some" }, handler = function() state.set("n", 1) end }
LUA
cat >"$work/functions/timed.lua" <<'LUA'
return { on = { topic = "timed" }, handler = function() timer.set("t", "1h") end }
LUA
start() { mqtt_port=0; http_port=0; start_moonlet "$work/functions" --config "$work/moonlet.lua" --files "$work/files" --drain-timeout 300ms "$@"; }
ask() { sqlite3 "$work/data/moonlet.db" "$1"; }
of() { ask "SELECT count(*) FROM $1 WHERE instr(CAST(key AS BLOB), CAST('$2' AS BLOB)) > 0"; }
has() { [ "$(of "$1" "$2")" = "$3" ]; }
on_host() { "$moonlet" "$@" --data "$work/data"; }
send() { mosquitto_pub -p "$mqtt_port" -q 1 -t "$1" -m "$2"; }

start
send much/a 1
send some 1
send timed 1
echo x >"$work/files/in/a"
echo '{"id":"a"}' >"$work/item.json"
on_host db put cars "$work/item.json" >/dev/null
send much/b fail
for what in 'state much 3' 'timer much 1' 'timer_due much 1' 'queue much 1' 'tick much 1' 'file much 1' 'position much 1' 'state some 1' 'timer timed 1'; do
  # shellcheck disable=SC2086
  wait_for 20 has $what
done
[ -z "$(on_host ls --all | grep gone || true)" ] || fail "nothing is gone yet: $(on_host ls --all)"
stop_moonlet

# Away: it is shown and counted; forgetting needs a word; coming back goes on.
mv "$work/functions/much.lua" "$work/away/"
start
gone() { on_host ls --all | holds "^much .*gone (0.0 h), 1 events wait, 1 timers, 3 states, [12] positions, 1 ticks, 1 files"; }
wait_for 10 gone
on_host ls | holds much && fail "ls without --all shows it"
on_host ls --all --json | holds '"gone":[[:space:]]*true' || fail "$(on_host ls --all --json)"
counted() { curl -sf "http://127.0.0.1:$http_port/metrics" | grep "^moonlet_$1 $2\$" >/dev/null; }
wait_for 10 counted gone_functions 1
wait_for 10 counted gone_functions_waiting 2
status=0; on_host forget much >"$work/out" 2>&1 || status=$?
same "forget without --yes" 1 "$status"
grep -q 'add --yes' "$work/out" || fail "$(cat "$work/out")"
has state much 3 || fail "states are gone without --yes"
status=0; on_host forget some --yes >"$work/out" 2>&1 || status=$?
same "forgetting one that is there" 1 "$status"
has state some 1 || fail "the state of a function that is there was forgotten"
cp "$work/away/much.lua" "$work/functions/"
wait_for 10 grep -q 'much serves' "$work/moonlet.log"
send much/a 1
wait_for 10 grep -q 'n is 2' "$work/moonlet.log"
[ -z "$(on_host ls --all | grep gone || true)" ] || fail "it is back: $(on_host ls --all)"

# Removed while the host runs, and forgotten: it begins anew.
rm "$work/functions/much.lua"
wait_for 10 grep -q 'much is removed' "$work/moonlet.log"
wait_for 10 bash -c "'$moonlet' forget much --yes --data '$work/data' >'$work/out' 2>&1"
for space in state timer timer_due queue tick file position parked; do
  has "$space" much 0 || fail "$space still has rows of it"
done
[ "$(ask "SELECT count(*) FROM meta WHERE key LIKE 'gone/%'")" = 0 ] || fail "it is noted as gone still"
cp "$work/away/much.lua" "$work/functions/"
wait_for 10 bash -c "[ \$(grep -c 'much serves' '$work/moonlet.log') -ge 2 ]"
send much/a 1
wait_for 10 bash -c "grep 'n is 1' '$work/moonlet.log' | grep -q ."
wait_for 10 has state much 3 # the file and the item are new to it
stop_moonlet

# The grace's end takes what does not wait to be run, and says what does.
rm "$work/functions/some.lua" "$work/functions/timed.lua"
start --forget-after 2s
wait_for 20 has state some 0
wait_for 10 grep -q 'what function some left (1 rows) is forgotten' "$work/moonlet.log"
wait_for 20 grep -q 'function timed is away for longer than forget_after, and 1 events, timers' "$work/moonlet.log"
has timer timed 1 || fail "a timer was forgotten"
has state much 3 || fail "a function that is there lost its state"
stop_moonlet
same "exit status" 0 "$moonlet_status"
