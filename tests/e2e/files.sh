#!/usr/bin/env bash
# Files that are written or moved in run functions, once for each version, over kill -9 too; nothing
# outside of the folder is read.
. "$(dirname "$0")/lib.sh"
need curl sqlite3

mkdir -p "$work/functions" "$work/files/inbox/deep" "$work/elsewhere"
cat >"$work/functions/import.lua" <<'LUA'
return {
  on = { file = "inbox/**/*.csv" }, allow = { db = "imports", files = "inbox/*" },
  retries = 100, backoff = { first = "50ms", max = "500ms" }, -- its table is made behind the start
  handler = function(file, context)
    assert(context.trigger == "file" and context.topic == file.path)
    local first, size = files.read(file.path, 0, 5)
    assert(size == file.size and (not file.content or file.content:sub(1, 5) == first))
    db.update("imports", { id = file.path .. " " .. (file.content or file.size) }, function(row)
      row.count = (row.count or 0) + 1
      row.first = first
      return row
    end)
  end,
}
LUA
cat >"$work/functions/peek.lua" <<'LUA'
return {
  on = { http = "POST /peek" }, allow = { files = "*" },
  handler = function(event)
    local ok, problem = pcall(files.read, event.path)
    return { ok = ok, problem = not ok and problem or nil, content = ok and problem or nil }
  end,
}
LUA
ln -s "$work/elsewhere" "$work/files/inbox/link"
ln -s /etc/passwd "$work/files/inbox/passwd.csv"
echo secret >"$work/elsewhere/secret.csv"
echo early >"$work/files/inbox/early.csv"
touch -d '1 hour ago' "$work/files/inbox/early.csv"

echo 'tables = { imports = { key = "id" } }' >"$work/moonlet.lua"
start() { start_moonlet "$work/functions" --files "$work/files" -c "$work/moonlet.lua"; }
start
ask() { sqlite3 "$work/data/moonlet.db" "$1"; }
has() { [ "$(ask "SELECT count(*) FROM item WHERE json_extract(value, '\$.id') LIKE '$1'")" = 1 ]; }

# At start, written, moved in, in a new folder; a file that is written for long counts at its end.
wait_for 15 has 'inbox/early.csv early%'
echo one >"$work/files/inbox/a.csv"
wait_for 10 has 'inbox/a.csv one%'
echo moved >"$work/b.csv" && mv "$work/b.csv" "$work/files/inbox/b.csv"
wait_for 10 has 'inbox/b.csv moved%'
mkdir -p "$work/files/inbox/new/er" && echo deep >"$work/files/inbox/new/er/c.csv"
wait_for 10 has 'inbox/new/er/c.csv deep%'
{ echo part; sleep 0.5; echo whole; } >"$work/files/inbox/slow.csv"
wait_for 10 has 'inbox/slow.csv part%whole%'
echo two >"$work/files/inbox/a.csv"
wait_for 10 has 'inbox/a.csv two%'
# A file that is linked in has no writer; another time alone is another version.
echo linked >"$work/linked" && ln "$work/linked" "$work/files/inbox/linked.csv"
wait_for 10 has 'inbox/linked.csv linked%'
echo tick >"$work/files/inbox/touched.csv"
wait_for 10 has 'inbox/touched.csv tick%'
python3 -c 'import os, sys; os.utime(sys.argv[1], (1e9, 1e9))' "$work/files/inbox/touched.csv"
twice() { [ "$(ask "SELECT value ->> 'count' FROM item WHERE value ->> 'id' LIKE 'inbox/touched.csv%'")" = 2 ]; }
wait_for 10 twice
echo no >"$work/files/inbox/other.txt"
head -c 300000 /dev/zero | tr '\0' x >"$work/files/inbox/large.csv"
wait_for 10 has 'inbox/large.csv 300000'

# Each once, whatever ends the host; what came while it was down comes too.
for i in 1 2 3; do
  for j in 1 2 3 4 5; do echo "$i$j" >"$work/files/inbox/many-$i-$j.csv"; done
  stop_moonlet KILL
  echo down >"$work/files/inbox/down-$i.csv"
  start
  for j in 1 2 3 4 5; do wait_for 15 has "inbox/many-$i-$j.csv $i$j%"; done
  wait_for 15 has "inbox/down-$i.csv down%"
done

# Many more files at once than may be on their way, each of which is read by its handler; and what
# is found while it is young does not wait for the folder to be quiet.
stop_moonlet
for i in $(seq 300); do echo "c$i" >"$work/files/inbox/crowd-$i.csv"; done
start
while :; do echo x >"$work/files/inbox/noise.txt"; sleep 0.05; done &
noise=$!; remember "$noise"
crowd() { [ "$(ask "SELECT count(*) FROM item WHERE json_extract(value, '\$.id') LIKE 'inbox/crowd-%'")" = 300 ]; }
wait_for 30 crowd
kill "$noise"
same "files of the crowd that failed" 0 "$(ask "SELECT count(*) FROM failed")"
same "versions that ran more than once" "" "$(ask "SELECT value FROM item WHERE json_extract(value, '\$.count') > 1 AND value NOT LIKE '%touched.csv%'")"
same "what is outside of the folder" 0 "$(ask "SELECT count(*) FROM item WHERE value LIKE '%secret%' OR value LIKE '%passwd%' OR value LIKE '%.txt%'")"

# A file that was taken away and comes again is a new one.
here() { [ "$(ask "SELECT count(*) FROM file WHERE instr(CAST(key AS BLOB), CAST('b.csv' AS BLOB)) > 0")" = 1 ]; }
wait_for 10 here
rm "$work/files/inbox/b.csv"
gone() { [ "$(ask "SELECT count(*) FROM file WHERE instr(CAST(key AS BLOB), CAST('b.csv' AS BLOB)) > 0")" = 0 ]; }
wait_for 10 gone

peek() { curl -s "http://127.0.0.1:$http_port/peek" -d "{\"path\":\"$1\"}"; }
peek inbox/a.csv | holds '"content":"two' || fail "$(peek inbox/a.csv)"
for path in ../elsewhere/secret.csv /etc/passwd inbox/link/secret.csv inbox/passwd.csv inbox nothing; do
  peek "$path" | holds '"ok":false' || fail "$path: $(peek "$path")"
done
peek ../elsewhere/secret.csv | holds 'leads out of the folder of files' || fail "$(peek ../elsewhere/secret.csv)"
peek inbox/link/secret.csv | holds 'symbolic link' || fail "$(peek inbox/link/secret.csv)"
stop_moonlet
same "exit status" 0 "$moonlet_status"
