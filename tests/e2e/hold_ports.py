"""Finds ports of 127.0.0.1 that are free and keeps them for a test: hold_ports.py COUNT [low]. Prints
them in one line. They are bound but not listened to: whoever binds with SO_REUSEADDR can have them,
again and again, and nobody else is given one in between. low: those that only root may bind."""
import os
import socket
import sys
import time

parent, count, low = os.getppid(), int(sys.argv[1]), len(sys.argv) > 2
held = []


def hold(port):
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    held.append(taken)


def hold_low(port):
    # Two that hold may share a port: the name in the network's own name space is for one alone.
    name = socket.socket(socket.AF_UNIX)
    name.bind("\0moonlet-test-port-%d" % port)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
    hold(port)
    held.append(name)


if low:
    for port in range(1023, 500, -1):
        try:
            hold_low(port)
            break
        except OSError:
            continue
else:
    for _ in range(count):
        hold(0)
print(*(s.getsockname()[1] for s in held if s.family == socket.AF_INET), flush=True)
while os.getppid() == parent:
    time.sleep(0.5)
