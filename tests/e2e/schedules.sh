#!/usr/bin/env bash
# Schedules tick; a tick takes effect once, over kill -9 too; what was missed while down runs once or
# not at all.
. "$(dirname "$0")/lib.sh"
need curl sqlite3

mkdir "$work/functions"
cat >"$work/functions/beat.lua" <<'LUA'
return {
  on = { schedule = "every 1s" }, allow = { db = "beats" },
  handler = function(tick, context)
    assert(context.trigger == "schedule" and tick.schedule == "every 1s")
    db.update("beats", { id = tick.scheduled }, function(beat)
      beat.count = (beat.count or 0) + 1
      return beat
    end)
  end,
}
LUA
hour=$(((10#$(TZ=Europe/Berlin date +%H) + 12) % 24)) # not while the test runs
for missed in once skip; do
  cat >"$work/functions/daily_$missed.lua" <<LUA
return {
  on = { schedule = "cron(0 $hour * * ? *)", timezone = "Europe/Berlin", missed = "$missed" }, allow = { db = "beats" },
  handler = function(tick) db.put("beats", { id = "$missed", scheduled = tick.scheduled }) end,
}
LUA
done
start() { start_moonlet "$work/functions" -c "$work/moonlet.lua"; }
echo 'tables = { beats = { key = "id" } }' >"$work/moonlet.lua"
start
ask() { sqlite3 "$work/data/moonlet.db" "$1"; }
beats() { [ "$(ask "SELECT count(*) FROM item WHERE value LIKE '%count%'")" -ge "$1" ]; }
wait_for 10 beats 2
for _ in 1 2 3; do
  stop_moonlet KILL
  start
  wait_for 10 beats "$(($(ask 'SELECT count(*) FROM item') + 1))"
done
same "beats that counted more than once" 0 "$(ask "SELECT count(*) FROM item WHERE json_extract(value, '\$.count') > 1")"
same "daily ticks so far" 0 "$(ask "SELECT count(*) FROM item WHERE value LIKE '%daily%'")"

# As if the host had been down for three days.
stop_moonlet
ask "UPDATE tick SET value = value - 3 * 86400000 WHERE key LIKE 'daily_%'"
python3 "$tests_dir/stamp_pages.py" "$work/data/moonlet.db"
start
missed_ran() { [ "$(ask "SELECT count(*) FROM item WHERE value LIKE '%\"once\"%'")" = 1 ]; }
wait_for 10 missed_ran
same "missed ticks that were to be skipped" 0 "$(ask "SELECT count(*) FROM item WHERE value LIKE '%\"skip\"%'")"
"$moonlet" ls --data "$work/data" | holds "cron(0 $hour \* \* ? \*) (Europe/Berlin)" || fail "$("$moonlet" ls --data "$work/data")"
stop_moonlet
same "exit status" 0 "$moonlet_status"

# What is wrong is refused at load, with the field.
mkdir "$work/wrong"
echo 'return { on = { schedule = "cron(0 25 * * ? *)" }, handler = function() end }' >"$work/wrong/hour.lua"
echo 'return { on = { schedule = "every 1m", timezone = "Mars/Phobos" }, handler = function() end }' >"$work/wrong/zone.lua"
echo 'return { on = { schedule = "cron(0 0 30 2 ? *)" }, handler = function() end }' >"$work/wrong/never.lua"
"$moonlet" check "$work/wrong" >"$work/out" 2>&1 && fail "wrong schedules were taken"
grep -q 'hour.lua.*hour "25": allowed are 0 to 23' "$work/out" || fail "$(cat "$work/out")"
grep -q 'zone.lua.*timezone "Mars/Phobos"' "$work/out" || fail "$(cat "$work/out")"
grep -q 'never.lua.*never comes' "$work/out" || fail "$(cat "$work/out")"
