# SPDX-License-Identifier: MIT
# A host whose syncs take long (tests/reliability/world.c): a client with QoS 0 and keep-alives goes
# on as if nothing were, one with QoS 1 waits for its acknowledgements, and memory stays bounded
# however much is sent.
# usage: slow_disk.py MQTT_PORT PID WORLD SECONDS; prints figures and the last number acknowledged.
import mmap
import os
import socket
import struct
import sys
import threading
import time

PORT, PID, WORLD, SECONDS = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
PAYLOAD = "x" * 1000
PAGE = os.sysconf("SC_PAGESIZE")


def text(value):
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def packet(first, body):
    length, out = len(body), b""
    while True:
        length, digit = length >> 7, length & 127
        out += bytes([digit | (128 if length else 0)])
        if not length:
            return bytes([first]) + out + body


class Client:
    def __init__(self, name):
        self.socket = socket.create_connection(("127.0.0.1", PORT))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""
        self.send(packet(0x10, text("MQTT") + b"\x04\x02\x00\x05" + text(name)))
        assert self.receive(60)[0] == 0x20, "no CONNACK"

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, seconds):
        """The next packet as (first byte, body); None where none came in time."""
        end = time.monotonic() + seconds
        while True:
            length, at = 0, 1
            while at < len(self.data):
                length |= (self.data[at] & 127) << (7 * (at - 1))
                at += 1
                if not self.data[at - 1] & 128:
                    if len(self.data) < at + length:
                        break
                    found = self.data[0], self.data[at : at + length]
                    self.data = self.data[at + length :]
                    return found
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                more = self.socket.recv(65536)
            except TimeoutError:
                return None
            finally:
                self.socket.settimeout(None)
            assert more, "the host closed the connection"
            self.data += more


class Flood(threading.Thread):
    """Publishes with QoS 1 as fast as the host takes it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.client, self.sent, self.acked, self.stop = Client("flood"), 0, 0, False
        self.slowest, self.times = 0.0, {}

    def run(self):
        threading.Thread(target=self.listen, daemon=True).start()
        while not self.stop:
            number = self.sent + 1
            body = text("in/flood") + struct.pack(">H", number % 65535 + 1)
            self.times[number] = time.monotonic()
            self.client.send(packet(0x32, body + f'{{"n":{number},"x":"{PAYLOAD}"}}'.encode()))
            self.sent = number
            while not self.stop and self.sent - self.acked > 60000:
                time.sleep(0.01)

    def listen(self):
        while True:
            found = self.client.receive(3600)
            assert found[0] == 0x40
            # In order, as MQTT 3.1.1 §4.6 has it.
            expected = (self.acked + 1) % 65535 + 1
            assert struct.unpack(">H", found[1][:2])[0] == expected, "acknowledged out of order"
            self.acked += 1
            self.slowest = max(self.slowest, time.monotonic() - self.times.pop(self.acked))


def resident():
    with open(f"/proc/{PID}/statm") as file:
        return int(file.read().split()[1]) * PAGE


def cpu_seconds():
    with open(f"/proc/{PID}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch(live, seconds):
    """Pings and QoS 0 messages over and over; returns the slowest answer and the peak of memory."""
    slowest, peak, end = 0.0, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        begun, wanted = time.monotonic(), {0xD0, 0x30}
        live.send(packet(0xC0, b"") + packet(0x30, text("live/x") + b"hello"))
        while wanted:
            found = live.receive(60)
            assert found is not None, f"no answer within 60 s: {wanted}"
            wanted.discard(found[0])
        slowest = max(slowest, time.monotonic() - begun)
        peak = max(peak, resident())
        time.sleep(0.02)
    return slowest, peak


with open(WORLD, "r+b") as file:
    world = mmap.mmap(file.fileno(), 24)


def set_sync(seconds):
    world[0:8] = struct.pack("=q", int(seconds * 1e6))


live = Client("live")
live.send(packet(0x82, b"\x00\x01" + text("live/#") + b"\x00"))
assert live.receive(60)[0] == 0x90, "no SUBACK"
flood = Flood()
flood.start()
watch(live, 1)
before = resident()
for delay in (0.2, 5.0):
    acked, spent = flood.acked, cpu_seconds()
    set_sync(delay)
    duration = max(SECONDS, delay * 1.5)
    slowest, peak = watch(live, duration)
    spent = cpu_seconds() - spent
    print(
        f"sync {delay} s, {duration:.0f} s: answers within {slowest * 1000:.0f} ms, "
        f"{flood.acked - acked} acknowledged, {flood.sent - flood.acked} on their way, "
        f"memory {before >> 20} -> {peak >> 20} MiB, {spent:.1f} s of processor"
    )
    # A slow machine's own time is less than the disk's.
    assert slowest < (1.0 if os.environ.get("TEST_LONG") else 4.0), "a keep-alive or a QoS 0 message waited for the disk"
    assert peak < before + (256 << 20), "memory is not bounded"
    assert flood.sent > flood.acked, "acknowledged without a sync"
    assert spent < duration * 0.9, "a busy loop"
set_sync(0)
flood.stop = True
end = time.monotonic() + 60
while flood.acked < flood.sent and time.monotonic() < end:
    time.sleep(0.05)
assert flood.acked == flood.sent, f"{flood.sent - flood.acked} were never acknowledged"
print(f"then all acknowledged; the slowest waited {flood.slowest:.1f} s")
print(flood.acked)
