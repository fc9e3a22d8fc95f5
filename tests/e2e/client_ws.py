#!/usr/bin/env python3
"""WebSocket frames by hand, for tests/e2e/websocket.sh: client_ws.py PORT. Exits 1 where an answer is wrong."""
import os
import socket
import struct
import sys

port = int(sys.argv[1])
CONNECT = bytes.fromhex("100c00044d515454040200000000")
CONNACK = bytes.fromhex("20020000")
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"


class Peer:
    def __init__(self, behind=b""):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=120)
        head = ("GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Sec-WebSocket-Protocol: mqtt\r\n\r\n")
        self.sock.sendall(head.encode() + behind)
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            self.data += self.sock.recv(4096)
        answer, self.data = self.data.split(b"\r\n\r\n", 1)
        assert answer.startswith(b"HTTP/1.1 101 "), answer

    def take(self, count):
        while len(self.data) < count:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.data += more
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def frame(self):
        first, length = self.take(2)
        if length == 126:
            (length,) = struct.unpack(">H", self.take(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.take(8))
        return first, self.take(length)

    def expect(self, first, payload):
        got = self.frame()
        assert got == (first, payload), (got, (first, payload))

    def ended(self):
        try:
            while self.sock.recv(4096):
                pass
        except ConnectionResetError:
            pass
        self.sock.close()


def pack(opcode, payload, fin=True, mask=True):
    head = bytes([(0x80 if fin else 0) | opcode])
    length = len(payload)
    flag = 0x80 if mask else 0
    if length < 126:
        head += bytes([flag | length])
    elif length < 65536:
        head += bytes([flag | 126]) + struct.pack(">H", length)
    else:
        head += bytes([flag | 127]) + struct.pack(">Q", length)
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def close_code(code):
    return struct.pack(">H", code)


# One packet a frame; with what follows the request's head at once.
peer = Peer(pack(2, CONNECT))
peer.expect(0x82, CONNACK)
# Bytes of a packet in frames of one byte each, a ping between the fragments of one message.
peer.sock.sendall(pack(2, PINGREQ[:1], fin=False) + pack(9, b"are you there") + pack(0, PINGREQ[1:]))
answers = [peer.frame(), peer.frame()]
assert sorted(answers) == [(0x82, PINGRESP), (0x8A, b"are you there")], answers
# Two packets in one frame, and a frame that comes byte by byte.
peer.sock.sendall(pack(2, PINGREQ * 2))
got = b""
while len(got) < 4:
    first, payload = peer.frame()
    assert first == 0x82, first
    got += payload
assert got == PINGRESP * 2
for byte in pack(2, PINGREQ):
    peer.sock.sendall(bytes([byte]))
peer.expect(0x82, PINGRESP)
# Empty frames and pongs mean nothing.
peer.sock.sendall(pack(2, b"") + pack(10, b"x") + pack(2, PINGREQ))
peer.expect(0x82, PINGRESP)
peer.sock.sendall(pack(8, close_code(1000)))
first, payload = peer.frame()
assert (first, payload[:2]) == (0x88, close_code(1000)), (first, payload)
peer.ended()

for name, bytes_sent, code in [
    ("text", pack(1, b"hello"), 1003),
    ("not masked", pack(2, PINGREQ, mask=False), 1002),
    ("reserved opcode", pack(3, b"x"), 1002),
    ("reserved bit", b"\xc2" + pack(2, PINGREQ)[1:], 1002),
    ("large ping", pack(9, b"x" * 126), 1002),
    ("fragment of a ping", pack(9, b"x", fin=False), 1002),
    ("continues nothing", pack(0, PINGREQ), 1002),
    ("length longer than needed", b"\x82\xfe\x00\x02" + pack(2, PINGREQ)[2:], 1002),
    ("length of 64 bits", b"\x82\xff" + struct.pack(">Q", 1 << 63) + b"12345678", 1002),
    ("a gigabyte", bytes([0x82, 0xFF]) + struct.pack(">Q", 1 << 30) + b"12345678", 1009),
]:
    peer = Peer(pack(2, CONNECT))
    peer.expect(0x82, CONNACK)
    peer.sock.sendall(bytes_sent)
    first, payload = peer.frame()
    assert first == 0x88, (name, first, payload)
    assert payload[:2] == close_code(code), (name, first, payload)
    peer.ended()
