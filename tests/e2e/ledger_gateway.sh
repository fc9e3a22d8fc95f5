#!/bin/bash
# kill -9 of gateway and store under load: nothing that was acknowledged is lost, in no order but
# its own. MOONLET_LONG makes it many kills.
. "$(dirname "$0")/lib.sh"

kills=20
[ -z "${MOONLET_LONG:-}" ] || kills=1000
"$build_dir/tests/reliability/ledger" --kills "$kills" --seed "${MOONLET_SEED:-$RANDOM}" \
  --data "$work/data" --log "$work/gateway.log" -- "$build_dir/tests/reliability/gateway" "$work/data"
