#!/bin/bash
# kill -9 of the host, and of its workers, in the middle of a QoS 1 stream through a function: every
# acknowledged message has had its effect. TEST_LONG makes it many kills.
. "$(dirname "$0")/lib.sh"

kills=20
worker_kills=100
[ -z "${TEST_LONG:-}" ] || { kills=1000; worker_kills=5000; }

run_ledger() {
  local data=$1
  shift
  "$build_dir/tests/reliability/ledger" --in in --out 'out/#' --seed "$(seed)" \
    "$@" --data "$data" --log "$work/moonlet.log" -- "$moonlet" run \
    --functions "$tests_dir/reliability/functions" --data "$data" --mqtt 127.0.0.1:0 \
    --http 127.0.0.1:0
}

run_ledger "$work/data-host" --kills "$kills"
run_ledger "$work/data-workers" --kills 0 --worker-kills "$worker_kills"
