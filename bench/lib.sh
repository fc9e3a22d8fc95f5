# Helpers of the benchmarks: sourced by each. $source_dir and $build_dir are set before.
# shellcheck shell=bash
work=$(mktemp -d)
pids=()

cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

say() { printf '%s\n' "$*" >&2; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

wait_for_port() { # port pid name
  for _ in $(seq 600); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
    kill -0 "$2" 2>/dev/null || break
    sleep 0.05
  done
  say "bench: $3 does not listen on port $1"
  exit 1
}

wait_for_line() { # file text [seconds]
  for _ in $(seq $((${3:-60} * 20))); do
    grep -q "$2" "$1" 2>/dev/null && return
    sleep 0.05
  done
  say "bench: no \"$2\" in $1"
  tail -5 "$1" >&2
  exit 1
}

start_mosquitto() { # sets port
  port=$(free_port)
  printf 'listener %s 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\n' "$port" >"$work/mosquitto-$port.conf"
  mosquitto -c "$work/mosquitto-$port.conf" >"$work/mosquitto-$port.log" 2>&1 &
  pids+=($!)
  wait_for_port "$port" $! mosquitto
}

start_moonlet() { # functions-dir; sets port, moonlet_pid
  port=$(free_port)
  "$build_dir/moonlet" run --functions "$1" --data "$work/data-$port" --mqtt "127.0.0.1:$port" \
    --http 127.0.0.1:0 >"$work/moonlet-$port.log" 2>&1 &
  moonlet_pid=$!
  pids+=("$moonlet_pid")
  wait_for_port "$port" $! moonlet
  wait_for_line "$work/moonlet-$port.log" ready
}

stop() { kill "$1" 2>/dev/null || true; wait "$1" 2>/dev/null || true; }

load() { # name port arguments...: one line of JSON a run into $work/<name>
  local name=$1 to=$2
  shift 2
  "$build_dir/moonlet-bench" --json --label "$name" --port "$to" --count "$count" --warmup $((count / 10)) "$@" >>"$work/$name"
}

median() { # name member
  sed -n "s/.*\"$2\":\([0-9.]*\).*/\1/p" "$work/$1" | sort -g | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : 0 }'
}

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b + 0 == 0) print "-"; else printf "%.2f", a / b }'; }

resident_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }


install_peers() { # package.json's folder
  [ -n "$peers" ] || return 0
  mkdir -p "$work/peers"
  cp "$1"/* "$work/peers/"
  say "installing the peers from npm ..."
  if ! (cd "$work/peers" && npm install --no-audit --no-fund --loglevel=error >"$work/npm.log" 2>&1); then
    say "bench: npm install failed, going on without peers:"
    tail -3 "$work/npm.log" >&2
    peers=
  fi
}
