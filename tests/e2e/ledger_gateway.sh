#!/bin/bash
# kill -9 of gateway and store under load: nothing that was acknowledged is lost, neither messages
# nor what follows from shadow updates. TEST_LONG makes it many kills.
. "$(dirname "$0")/lib.sh"

kills=20
[ -z "${TEST_LONG:-}" ] || kills=1000
for what in "" --shadow; do
  "$build_dir/tests/reliability/ledger" $what --kills "$kills" --seed "$(seed)" \
    --data "$work/data$what" --log "$work/gateway.log" -- \
    "$build_dir/tests/reliability/gateway" "$work/data$what"
done
