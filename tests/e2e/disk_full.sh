#!/bin/bash
# A full disk: nothing is acknowledged without its commit (0x97), clients that need no store go on,
# and when there is space again all goes on by itself.
. "$(dirname "$0")/lib.sh"
need mosquitto_pub mosquitto_sub mount

mkdir "$work/disk"
mount -t tmpfs -o size=4m tmpfs "$work/disk" 2>/dev/null || skip "mounting a tmpfs is not allowed here"
trap 'kill "$gateway" 2>/dev/null; wait "$gateway" 2>/dev/null; umount "$work/disk"; finish' EXIT

"$build_dir/tests/reliability/gateway" "$work/disk/data" 2>"$work/gateway.log" &
gateway=$!
wait_for 10 grep -q ready "$work/gateway.log"
port=$(sed -n 's/MQTT on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$work/gateway.log")

client=(-V 5 -h 127.0.0.1 -p "$port")
mosquitto_sub "${client[@]}" -i keeper -c -x 10000 -q 1 -t 'kept/#' -E

publish() { mosquitto_pub "${client[@]}" -q 1 -d -t kept/1 -m "$1" 2>&1; }
is_taken() { publish "$1" | holds 'RC:0'; }
is_refused() { publish "$1" | holds -E 'RC:151|Quota'; }

is_taken first || fail "the first message was not taken: $(publish first)"
dd if=/dev/zero of="$work/disk/ballast" bs=1k 2>/dev/null || true
wait_for 10 is_refused while-full
grep -q 'disk is full' "$work/gateway.log" || fail "the log does not tell"

# What needs no store goes on.
mosquitto_sub "${client[@]}" -t live/1 -C 1 -W 120 >"$work/live.out" &
live=$!
wait_for 10 bash -c "mosquitto_pub ${client[*]} -t live/1 -m hello && grep -q hello '$work/live.out'"
wait "$live"

rm "$work/disk/ballast"
wait_for 10 is_taken after
mosquitto_sub "${client[@]}" -i keeper -c -x 10000 -q 1 -t 'kept/#' >"$work/kept.out" &
keeper=$!
remember "$keeper"
wait_for 10 grep -q after "$work/kept.out"
grep -q first "$work/kept.out" || fail "what was acknowledged before is gone"
kill "$keeper"
