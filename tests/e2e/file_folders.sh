#!/usr/bin/env bash
# Several folders of files: a path begins with its folder's name. Files that went while the host was
# down are forgotten, those that are open for writing wait, and folders that cannot be used are named.
. "$(dirname "$0")/lib.sh"
need sqlite3 curl

mkdir -p "$work/functions" "$work/in" "$work/scans/deep" "$work/away"
cat >"$work/functions/inbox.lua" <<'LUA'
return {
  on = { file = "inbox/*.csv" }, allow = { db = "seen", files = "inbox/*" },
  handler = function(file)
    db.update("seen", { id = "inbox " .. file.path .. " " .. files.read(file.path) }, function(row)
      row.count = (row.count or 0) + 1
      return row
    end)
    local ok = pcall(files.read, "scans/same.csv")
    if ok then error("it may read scans") end
  end,
}
LUA
cat >"$work/functions/all.lua" <<'LUA'
return {
  on = { file = "**/*.csv" }, allow = { db = "seen" },
  handler = function(file)
    db.update("seen", { id = "all " .. file.path .. " " .. file.content }, function(row)
      row.count = (row.count or 0) + 1
      return row
    end)
  end,
}
LUA
cat >"$work/functions/nowhere.lua" <<'LUA'
return { on = { file = "outbox/*.csv" }, handler = function() end }
LUA
cat >"$work/moonlet.lua" <<LUA
files = { inbox = "$work/in", scans = "$work/scans" }
tables = { seen = { key = "id" } }
LUA
start() { start_moonlet "$work/functions" --config "$work/moonlet.lua"; }
count() { sqlite3 "$work/data/moonlet.db" "SELECT coalesce(sum(json_extract(value, '\$.count')), 0) FROM item WHERE value LIKE '%\"$1%'"; }
ran() { [ "$(count "$1")" = "$2" ]; }
row() { sqlite3 "$work/data/moonlet.db" "SELECT count(*) FROM file WHERE instr(CAST(key AS BLOB), CAST('$1' AS BLOB)) > 0"; }
rows() { [ "$(row "$1")" = "$2" ]; }

# The same name in both, at start and later.
echo one >"$work/in/same.csv"
echo two >"$work/scans/same.csv"
start
wait_for 20 ran 'inbox inbox/same.csv one' 1
wait_for 20 ran 'all inbox/same.csv one' 1
wait_for 20 ran 'all scans/same.csv two' 1
echo three >"$work/scans/deep/c.csv"
wait_for 20 ran 'all scans/deep/c.csv three' 1
"$moonlet" ls --data "$work/data" 2>&1 | holds 'outbox/.*begins with the name of a folder of the option files' ||
  fail "a pattern of no folder: $("$moonlet" ls --data "$work/data" 2>&1)"

# A file that goes while nobody looks is forgotten at the start; it comes again as a new one.
wait_for 20 rows inbox/same.csv 2
stop_moonlet
mv "$work/in/same.csv" "$work/away/same.csv"
start
wait_for 20 rows inbox/same.csv 0
rows scans/same.csv 1 || fail "a file that is there was forgotten"
mv "$work/away/same.csv" "$work/in/same.csv"
wait_for 20 ran 'all inbox/same.csv one' 2
wait_for 20 ran 'inbox inbox/same.csv one' 2

# A folder that is moved away takes its files with it.
wait_for 20 rows scans/deep/c.csv 1
mv "$work/scans/deep" "$work/away/deep"
wait_for 20 rows scans/deep/c.csv 0

# A file whose writer has it open at the start waits for its end, however long it has rested.
stop_moonlet
exec 7>"$work/in/slow.csv"
printf part >&7
touch -d '1 hour ago' "$work/in/slow.csv"
echo quick >"$work/in/quick.csv"
start 7>&- # it inherits all that is open
wait_for 20 ran 'all inbox/quick.csv quick' 1
same "runs of a file that is open" 0 "$(count 'all inbox/slow.csv')"
printf whole >&7
exec 7>&-
wait_for 20 ran 'all inbox/slow.csv partwhole' 1
same "runs of a part of it" 1 "$(count 'all inbox/slow.csv')"
same "failed events" 0 "$(sqlite3 "$work/data/moonlet.db" "SELECT count(*) FROM failed")"
stop_moonlet
same "exit status" 0 "$moonlet_status"

# What cannot be used is said in one line.
refused() { # OPTION TEXT
  local status=0
  "$moonlet" run --functions "$work/functions" --data "$work/data" --mqtt off --http off --files "$1" >"$work/refused" 2>&1 || status=$?
  [ "$status" != 0 ] || fail "--files $1 was taken"
  grep -qF -- "$2" "$work/refused" || fail "--files $1: $(cat "$work/refused")"
}
refused "in=$work/missing" "option files: in=$work/missing: make it, or mount it, first: No such file or directory"
refused "in=$work/in,all=$work" "option files: all=$work: lies in in=$work/in, or the other way round"
refused "$work/in,$work/scans" "must give each of several folders a name"
