#!/bin/bash
# A host that root starts binds its sockets, reads its keys, and is an ordinary user from then on.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "only root can become another user"
need setpriv pgrep openssl mosquitto_pub mosquitto_sub python3 curl
user=nobody
as_user() { setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups "$@"; }
as_user test -x "$build_dir/moonlet-worker" || skip "user $user cannot reach $build_dir"
chmod 755 "$work"

mkdir -p "$work/functions"
cat >"$work/functions/echo.lua" <<'END'
return { on = { topic = "ask/+" }, allow = { publish = "answer/+" },
  handler = function(event, context) mqtt.publish("answer/" .. context.topic:match("[^/]+$"), event) end }
END
chmod -R a+rX "$work/functions"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/server.key" -out "$work/server.pem" -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -days 2 2>/dev/null
chmod 600 "$work/server.key"
# is FIELD VALUE: in the status of every thread of the host.
is() {
  local seen
  # A thread may end between the list of them and its file.
  seen=$({ sed -n "s/^$1:[[:space:]]*//p" /proc/"$moonlet_pid"/task/*/status 2>/dev/null || true; } | tr '\t' ' ' | sed 's/ *$//' | sort -u)
  same "$1 of its threads" "$2" "$seen"
}
owner() { stat -c %U "$1"; }
roundtrip() {
  stdbuf -oL mosquitto_sub -h 127.0.0.1 -p "$mqtt_port" -q 1 -d -t "answer/$1" -C 1 -W 120 >"$work/$1.out" 2>&1 &
  remember $!
  wait_for 10 grep -q '^Subscribed' "$work/$1.out"
  mosquitto_pub -h 127.0.0.1 -p "$mqtt_port" -q 1 -t "ask/$1" -m "\"hello $1\""
  wait_for 20 grep -q "hello $1" "$work/$1.out"
}

# refused PATTERN COMMAND...
refused() {
  local pattern=$1
  shift
  local status=0
  timeout 120 "$@" >"$work/refused.out" 2>&1 || status=$?
  if [ "$status" = 0 ] || [ "$status" = 124 ]; then fail "not refused: $*"; fi
  grep -q -- "$pattern" "$work/refused.out" || fail "no '$pattern' in: $(tail -2 "$work/refused.out")"
}
run() { printf '%s\n' "$moonlet" run --functions "$work/functions" --data "$work/data" --mqtt 127.0.0.1:0 --http off; }
mapfile -t run < <(run)

echo "a low port, a key that only root may read, and then no rights"
# What an earlier host left as root, and what its user may have put there to be given more.
mkdir -p "$work/data/tls"
echo secret >"$work/roots"
ln -s "$work/roots" "$work/data/link"
ln "$work/roots" "$work/data/second-name"
mkdir "$work/else"
ln -s "$work/else" "$work/data/folder-link"
echo planted >"$work/secret"
chmod 600 "$work/secret"
echo "secrets = { key = { file = '$work/secret' } }" >"$work/moonlet.lua"
take_ports 1 low
mqtt_port=${ports[0]}
start_moonlet "$work/functions" -c "$work/moonlet.lua" --user "$user" --https 127.0.0.1:0 --tls-certificate "$work/server.pem" --tls-key "$work/server.key"
https_port=$(sed -n 's/.*HTTPS on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/moonlet.log")
uid=$(id -u "$user") gid=$(id -g "$user")
is Uid "$uid $uid $uid $uid"
is Gid "$gid $gid $gid $gid"
is Groups "$(id -G "$user")"
for set in CapInh CapPrm CapEff CapBnd CapAmb; do is "$set" 0000000000000000; done
is NoNewPrivs 1
roundtrip one
curl -s -o /dev/null --cacert "$work/server.pem" "https://localhost:$https_port/healthz" || fail "no HTTPS"
for path in "$work/data" "$work/data/tls" "$work/data/moonlet.db" "$work/data/moonlet.db-wal" "$work/data/moonlet.sock"; do
  same "owner of $path" "$user" "$(owner "$path")"
done
same "owner of a file behind links" root "$(owner "$work/roots")"
same "owner of a folder behind a link" root "$(owner "$work/else")"
same "mode of the database" 640 "$(stat -c %a "$work/data/moonlet.db")" # in a folder that was there
refused 'only root and the user' setpriv --reuid 65533 --regid 65533 --clear-groups "$moonlet" ls --data "$work/data"
for program in $(pgrep -P "$moonlet_pid") $(pgrep -P "$(pgrep -d, -P "$moonlet_pid")"); do
  of=$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$program/status" 2>/dev/null) || continue # it has ended
  same "user of process $program" "$uid" "$of"
done

echo "what holds cages does so still"
as_user unshare -Un true 2>/dev/null && { grep -q 'caged by .*namespaces' "$work/moonlet.log" || fail "no namespaces: $(grep caged "$work/moonlet.log")"; }
"$moonlet" ls --data "$work/data" >"$work/ls"
grep -q echo "$work/ls" || fail "root's command has no answer"

echo "a reload cannot read what only root may, says so, and goes on"
touch "$work/server.pem"
kill -HUP "$moonlet_pid"
wait_for 10 grep -q "certificates stay as they were: .*server.key.*user $user" "$work/moonlet.log"
wait_for 10 grep -q "configuration stays as it was: .*secret.*user $user" "$work/moonlet.log"
curl -s -o /dev/null --cacert "$work/server.pem" "https://localhost:$https_port/healthz" || fail "no HTTPS after the reload"
echo 'log_level = "debug"' >"$work/moonlet.lua"
chmod 644 "$work/moonlet.lua"
kill -HUP "$moonlet_pid"
wait_for 10 grep -q "moonlet.lua has been read again" "$work/moonlet.log"
stop_moonlet
same "exit status" 0 "$moonlet_status"

echo "once more, by the folder that is the user's now"
start_moonlet "$work/functions" --user "$user"
roundtrip two
stop_moonlet
same "exit status" 0 "$moonlet_status"

echo "a folder of pairs that only root may enter"
mkdir -m 700 "$work/pairs"
mv "$work/server.key" "$work/server.pem" "$work/pairs"
start_moonlet "$work/functions" --user "$user" --https 127.0.0.1:0 --tls-certificate "$work/pairs"
https_port=$(sed -n 's/.*HTTPS on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/moonlet.log")
curl -s -o /dev/null --cacert "$work/pairs/server.pem" "https://localhost:$https_port/healthz" || fail "no HTTPS with a folder"
stop_moonlet

echo "root does not act where the user may have put links"
before=$(sha256sum "$work/roots")
trap_at() {
  rm -rf "$work/trap"
  mkdir -p "$work/trap/tls"
  chown -R "$user" "$work/trap"
  ln -s "$work/roots" "$work/trap/$1"
  chmod 600 "$work/roots"
}
trap_at moonlet.lock
refused 'moonlet.lock: Permission denied' "${run[@]}" --data "$work/trap" --user "$user"
trap_at moonlet.db
refused 'moonlet.db: open: unable to open' "${run[@]}" --data "$work/trap" --user "$user"
trap_at tls/server.key
start_moonlet "$work/functions" --data "$work/trap" --user "$user" --https 127.0.0.1:0
stop_moonlet
same "owner of the key that was made in the link's place" "$user" "$(owner "$work/trap/tls/server.key")"
same "root's file behind the links" "$before" "$(sha256sum "$work/roots")"
mkdir "$work/above"
chown "$user" "$work/above"
ln -s "$work/else" "$work/above/data"
refused 'symbolic link on the way' "${run[@]}" --data "$work/above/data" --user "$user"
same "owner of what the link names" root "$(owner "$work/else")"
same "what is in it" "" "$(ls "$work/else")"

echo "what root makes for a host that is another user, that user can read"
install -d -o "$user" "$work/data4"
"$moonlet" cert create car --out "$work" --data "$work/data4" >/dev/null
same "owner of the authority's key" "$user" "$(owner "$work/data4/tls/ca.key")"
same "owner of the car's key" root "$(owner "$work/car.key")"

echo "who may not ask the host"
start_moonlet "$work/functions" --data "$work/data5" --user root
refused 'only root and the user that moonlet runs as may ask it' \
  setpriv --reuid "$user" --regid "$gid" --clear-groups "$moonlet" ls --data "$work/data5"
stop_moonlet

echo "who cannot be become"
refused 'there is no user "no-such-user"' "${run[@]}" --user no-such-user
refused 'only root can become "root"' setpriv --reuid "$user" --regid "$gid" --clear-groups "${run[@]}" --user root
mkdir -p "$work/closed"
chmod 700 "$work/closed"
refused "user $user cannot write in the data folder" "${run[@]}" --data "$work/closed/data" --user "$user"
if ! id moonlet >/dev/null 2>&1; then
  refused 'useradd' "${run[@]}" --mqtt 0.0.0.0:0
  start_moonlet "$work/functions" --data "$work/data2"
  grep -q 'runs as root' "$work/moonlet.log" || fail "no warning"
  stop_moonlet
fi
start_moonlet "$work/functions" --data "$work/data3" --user root
grep -q 'RUNS AS ROOT' "$work/moonlet.log" || fail "no warning"
is Uid '0 0 0 0'
stop_moonlet
same "exit status" 0 "$moonlet_status"
