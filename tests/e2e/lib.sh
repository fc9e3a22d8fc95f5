# Helpers for the end-to-end tests: sourced by each of them. A test is a bash script that exits 0
# (passed), 77 (skipped: a client is not installed; it says which) or anything else (failed).
# shellcheck shell=bash
#
#   . "$(dirname "$0")/lib.sh"
#   start_moonlet "$work/functions"          # sets mqtt_port, http_port, moonlet_pid
#   mosquitto_sub ... >"$work/out" &  remember $!
#   wait_for 5 grep -q hello "$work/out"
#
# $work is a fresh folder that goes with the test; whatever was started by start_* or `remember`ed
# is ended with it. $build_dir is where the programs stand (make check sets it).
set -euo pipefail

tests_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source_dir=$(cd "$tests_dir/.." && pwd)
build_dir=$(cd "${build_dir:-$PWD}" && pwd)
moonlet=$build_dir/moonlet
work=$(mktemp -d "${TMPDIR:-/tmp}/moonlet-test.XXXXXX")
started=()
export -n MOONLET_NODE_MODULES # names no option: for the tests alone

finish() {
  local status=$?
  set +e
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null; done
  for pid in "${started[@]}"; do
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
    kill -9 "$pid" 2>/dev/null
  done
  if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
    for log in "$work"/*.log; do
      [ -f "$log" ] && { echo "--- ${log##*/}"; tail -40 "$log"; }
    done
  fi
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT

remember() { started+=("$@"); }

fail() { echo "FAILED: $*" >&2; exit 1; }

skip() { echo "skipped: $*" >&2; exit 77; }

# Skips the test where a program is missing.
need() {
  for program in "$@"; do
    type -P "$program" >/dev/null || skip "$program is not installed"
  done
}

# wait_for SECONDS COMMAND...: until the command succeeds; fails the test when the time is over. The
# seconds are those of an idle machine: a slow one that sanitizes too gets two minutes at least.
wait_for() {
  local seconds=$1 tries
  shift
  [ "$seconds" -ge 120 ] || seconds=120
  tries=$((seconds * 50))
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "waited $seconds s for: $*"
    sleep 0.02
  done
}

# same WHAT EXPECTED ACTUAL
# COMMAND | holds PATTERN: as grep -q, but it reads to the end. A command that still writes would be
# ended by a signal, which fails the pipe.
holds() { grep "$@" >/dev/null; }

# Waits for a lock that another one has for a moment.
sqlite3() { command sqlite3 -cmd ".timeout 60000" "$@"; }

# The same in each quick run, another one in each long one.
seed() {
  local value=${TEST_SEED:-1}
  [ -z "${TEST_LONG:-}" ] || value=${TEST_SEED:-$RANDOM}
  echo "seed $value" >&2
  echo "$value"
}

same() { [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"; }

lines() { wc -l <"$1" | tr -d ' '; }

# at_least FILE COUNT: the file has that many lines (for wait_for).
at_least() { [ -f "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ]; }

# take_ports COUNT [low]: sets the array `ports`, see hold_ports.py.
take_ports() {
  local file
  file=$(mktemp "$work/ports.XXXXXX")
  python3 "$tests_dir/e2e/hold_ports.py" "$@" >"$file" &
  remember $!
  wait_for 10 at_least "$file" 1
  IFS=' ' read -ra ports <"$file"
}

# A host that is started again listens where it did: nobody else shall get the port meanwhile.
choose_ports() {
  if { [ "${mqtt_port:-0}" != 0 ] && [ "${http_port:-0}" != 0 ]; } || ! type -P python3 >/dev/null; then return 0; fi
  take_ports 2
  [ "${mqtt_port:-0}" != 0 ] || mqtt_port=${ports[0]}
  [ "${http_port:-0}" != 0 ] || http_port=${ports[1]}
}

# start_moonlet FUNCTIONS_DIR [OPTION...]: starts the daemon on free ports with its data in
# $work/data and waits until it is ready. Its log is $work/moonlet.log.
start_moonlet() {
  local functions=$1
  shift
  mkdir -p "$functions"
  : >"$work/moonlet.log"
  choose_ports
  "$moonlet" run --functions "$functions" --data "$work/data" --mqtt "127.0.0.1:${mqtt_port:-0}" \
    --http "127.0.0.1:${http_port:-0}" "$@" >>"$work/moonlet.log" 2>&1 &
  moonlet_pid=$!
  remember "$moonlet_pid"
  wait_for 10 moonlet_is_ready
  mqtt_port=$(sed -n 's/.*MQTT on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/moonlet.log" | tail -1)
  http_port=$(sed -n 's/.*HTTP on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/moonlet.log" | tail -1)
}

moonlet_is_ready() {
  kill -0 "$moonlet_pid" 2>/dev/null || fail "moonlet ended: $(tail -3 "$work/moonlet.log")"
  grep -q 'ready' "$work/moonlet.log"
}

# stop_moonlet [SIGNAL]: ends it and waits; TERM by default. Sets moonlet_status.
stop_moonlet() {
  kill "-${1:-TERM}" "$moonlet_pid"
  moonlet_status=0
  wait "$moonlet_pid" || moonlet_status=$?
}

# start_mosquitto [CONFIG_LINE...]: a real broker on a free port. Sets mosquitto_port, mosquitto_pid.
start_mosquitto() {
  need mosquitto
  if [ -z "${mosquitto_port:-}" ]; then
    take_ports 1
    mosquitto_port=${ports[0]}
  fi
  # Root of a container may not become another user.
  { printf 'listener %s 127.0.0.1\nallow_anonymous true\nuser %s\n' "$mosquitto_port" "$(id -un)"; printf '%s\n' "$@"; } >"$work/mosquitto.conf"
  mosquitto -c "$work/mosquitto.conf" >>"$work/mosquitto.log" 2>&1 &
  mosquitto_pid=$!
  remember "$mosquitto_pid"
  wait_for 10 port_answers "$mosquitto_port"
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
