#!/bin/bash
# Clients that send slowly: their time is counted from the first byte to the last, whatever they do
# in between, and nobody else waits for them.
. "$(dirname "$0")/lib.sh"
need python3

functions=$work/functions
mkdir -p "$functions"
cat >"$functions/echo.lua" <<'LUA'
return { on = { http = "POST /echo" }, handler = function(event) return event end }
LUA
cat >"$work/clients.py" <<'PY'
import asyncio, socket, sys, time

port, kind = int(sys.argv[1]), sys.argv[2]

async def all_of(sock):
    """What comes before the end or the reset: a stream of asyncio's forgets it where a write fails."""
    came = b""
    while True:
        try:
            more = await asyncio.get_running_loop().sock_recv(sock, 4096)
        except ConnectionError:
            return came
        if not more:
            return came
        came += more

async def trickle(start, status):
    """Sends a byte every 100 ms for ever: it is cut in time, and told why."""
    while not await is_cut(start, status):
        pass # who says nothing for want of a processor is idle, and told nothing: it tries again

async def is_cut(start, status):
    began = time.monotonic()
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    try:
        sock.send(start)
    except ConnectionError:
        pass
    late = time.monotonic() - began > 0.5
    answer = asyncio.ensure_future(all_of(sock))
    while not answer.done():
        try:
            sock.send(b"x")
        except ConnectionError:
            pass
        await asyncio.sleep(0.1)
    sock.close()
    took = time.monotonic() - began
    if late and answer.result() == b"":
        return False
    assert status in answer.result().split(b"\r\n")[0], (start, answer.result())
    assert 0.9 < took < 60, (start, took)
    return True

async def idle():
    began = time.monotonic()
    reader, _ = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.read() == b""
    assert 0.9 < time.monotonic() - began < 60

async def others():
    """Meanwhile everybody else is answered at once."""
    answered = 0
    while answered < 20:
        called = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = time.monotonic()
        writer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1")
        late = began - called > 0.5
        try:
            answer = await reader.read()
        except ConnectionError:
            answer = b""
        if late and answer == b"":
            writer.close()
            continue
        answered += 1
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert time.monotonic() - began < 30
        writer.close()
        await asyncio.sleep(0.05)

async def main():
    if kind == "idle":
        await asyncio.gather(*(idle() for _ in range(200)), others())
        return
    await asyncio.gather(
        *(trickle(b"GET /echo HTTP/1.1\r\nHost: a\r\nX-Slow: ", b"408") for _ in range(200)),
        *(trickle(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n", b"408") for _ in range(200)),
        others())

asyncio.run(asyncio.wait_for(main(), 120))
PY
# One after the other: where the host itself stands still, who sends would count as idle.
for kind in slow idle; do
  options=(--http-head-timeout 1s --http-body-timeout 1s)
  [ $kind = slow ] || options=(--http-idle-timeout 1s)
  start_moonlet "$functions" "${options[@]}"
  python3 "$work/clients.py" "$http_port" $kind
  stop_moonlet
  same "exit" 0 "$moonlet_status"
done
