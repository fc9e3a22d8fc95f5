"""A service manager as systemd is one, for tests: binds sockets, passes them by name, and writes down
what it is told.

    manager.py NEWS NAME=PORT,... WATCHDOG_USEC COMMAND...

NEWS gets one line for each piece of news; the ports are of 127.0.0.1. Ends with the program, and with
its status; SIGTERM and SIGHUP go on to it."""
import os
import signal
import socket
import sys

news_path, sockets, watchdog_us, *command = sys.argv[1:]
pairs = [pair.split("=") for pair in sockets.split(",") if pair]
listeners = []
for _, port in pairs:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(port)))
    listener.listen(64)
    listeners.append(listener)
news = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
news.bind(news_path + ".sock")

child = os.fork()
if child == 0:
    kept = [os.dup(listener.fileno()) for listener in listeners]
    kept = [os.dup2(fd, 100 + i) for i, fd in enumerate(kept)]
    for i, fd in enumerate(kept):
        os.dup2(fd, 3 + i, inheritable=True)
        os.close(fd)
    environment = dict(os.environ, NOTIFY_SOCKET=news_path + ".sock", WATCHDOG_USEC=watchdog_us,
                       WATCHDOG_PID=str(os.getpid()), LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(pairs)),
                       LISTEN_FDNAMES=":".join(name for name, _ in pairs))
    os.execve(command[0], command, environment)
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: os.kill(child, number))
news.settimeout(0.1)
with open(news_path, "w", buffering=1) as out:
    while True:
        try:
            out.write(news.recv(4096).decode().replace("\n", " ") + "\n")
        except socket.timeout:
            pass
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            sys.exit(os.waitstatus_to_exitcode(status))
