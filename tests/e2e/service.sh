#!/bin/bash
# As a service: the units that are installed, sockets that are passed by name, news for the manager.
. "$(dirname "$0")/lib.sh"
need python3 mosquitto_pub mosquitto_sub curl make

mkdir -p "$work/functions"
manager=$tests_dir/e2e/manager.py
run=("$moonlet" run --functions "$work/functions" --data "$work/data")

echo "sockets by name, and news"
take_ports 3
read -r mqtt http https <<<"${ports[*]}"
cat >"$work/moonlet.lua" <<'END'
log_level = "info"
END
python3 "$manager" "$work/news" "http=$http,mqtt=$mqtt,https=$https" 400000 "${run[@]}" -c "$work/moonlet.lua" >"$work/moonlet.log" 2>&1 &
manager_pid=$!
remember "$manager_pid"
wait_for 20 grep -q '^READY=1' "$work/news"
wait_for 10 grep -q '^STATUS=0 functions, 0 MQTT clients, store good' "$work/news"
mosquitto_pub -h 127.0.0.1 -p "$mqtt" -q 1 -t state/x -m hello -r
same "HTTP" 200 "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$http/healthz")"
same "HTTPS" 200 "$(curl -s -o /dev/null -w '%{http_code}' --cacert "$work/data/tls/ca.pem" "https://localhost:$https/healthz")"
fed() { [ "$(grep -c '^WATCHDOG=1' "$work/news")" -ge "$1" ]; }
wait_for 20 fed 5
echo 'log_level = "warn"' >"$work/moonlet.lua"
kill -HUP "$manager_pid"
wait_for 10 grep -q '^RELOADING=1 MONOTONIC_USEC=[0-9]' "$work/news"
is_ready_again() { [ "$(grep -c '^READY=1' "$work/news")" -ge 2 ]; }
wait_for 10 is_ready_again
if grep -q 'holds from the next start' "$work/moonlet.log"; then fail "the reload looks at sockets: $(tail -2 "$work/moonlet.log")"; fi

echo "a host that hangs does not feed the watchdog"
host=$(pgrep -P "$manager_pid")
kill -STOP "$host"
stopped() { grep -q '^State:.T' "/proc/$host/status"; }
wait_for 10 stopped
# What was under way has come when this has.
mark() {
  python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.argv[2].encode(), sys.argv[1])' "$work/news.sock" "$1"
  wait_for 10 grep -q "^$1" "$work/news"
}
mark BEFORE
before=$(grep -c '^WATCHDOG=1' "$work/news")
sleep 1
mark AFTER
same "fed while it was stopped" "$before" "$(grep -c '^WATCHDOG=1' "$work/news")"
kill -CONT "$host"
wait_for 20 fed $((before + 3))

echo "the end"
kill "$manager_pid"
status=0
wait "$manager_pid" || status=$?
same "exit status" 0 "$status"
grep -q '^STOPPING=1 EXTEND_TIMEOUT_USEC=[0-9]' "$work/news" || fail "it did not say that it stops"

echo "sockets with other names"
for names in data=0 mqtt=0,mqtt=0; do
  if python3 "$manager" "$work/news2" "$names" 0 "${run[@]}" >"$work/refused.out" 2>&1; then fail "taken: $names"; fi
  grep -q 'passed with the name' "$work/refused.out" || fail "not told: $(cat "$work/refused.out")"
  rm -f "$work/news2.sock"
done

echo "started by the first connection"
if command -v systemd-socket-activate >/dev/null; then
  take_ports 1
  port=${ports[0]}
  systemd-socket-activate --fdname=mqtt -l "127.0.0.1:$port" "${run[@]}" --http off >"$work/activate.log" 2>&1 &
  remember $!
  wait_for 10 grep -q Listening "$work/activate.log"
  same "retained message" hello "$(mosquitto_sub -h 127.0.0.1 -p "$port" -t state/x -C 1 -W 120)"
fi

echo "the units"
env -u MAKEFLAGS make -s -C "$build_dir" install prefix="$work/inst" >"$work/install.out" 2>&1 || fail "install: $(tail -3 "$work/install.out")"
units=$work/inst/lib/systemd/system
for name in mqtt mqtts http https; do
  grep -q "^FileDescriptorName=$name$" "$units/moonlet-$name.socket" || fail "no unit of the socket $name"
done
grep -h '@[a-z]*@' "$units"/* && fail "a unit has holes"
command -v systemd-analyze >/dev/null || exit 0
case $work in *[[:space:]]*) exit 0 ;; esac # the units quote no paths
systemd-analyze verify "$units"/moonlet.service "$units"/moonlet-*.socket >"$work/verify.out" 2>&1 || fail "verify: $(cat "$work/verify.out")"
grep -q "$units" "$work/verify.out" && fail "verify: $(cat "$work/verify.out")"
systemd-analyze security --offline=true --threshold=30 "$units/moonlet.service" >"$work/security.out" 2>&1 ||
  fail "security: $(tail -1 "$work/security.out")"
exit 0
