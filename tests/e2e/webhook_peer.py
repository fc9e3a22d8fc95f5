#!/usr/bin/env python3
"""A server that takes webhooks: webhook_peer.py PORT LOG. A line of the log for each request: path,
Idempotency-Key, status, body. /fail/N/... answers 503 to the first N requests of each key, /busy/...
429 with Retry-After: 1 to the first, /never/... always 500, /gone/... 410, /hang/... does not
answer the first, /moved/N/... N with the place /at/...; everything else 200."""
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

seen = {}
lock = threading.Lock()
log = open(sys.argv[2], "a", buffering=1)


class Peer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def status(self, key):
        """What to answer; None: nothing."""
        words = self.path.split("/")
        with lock:
            seen[(self.path, key)] = seen.get((self.path, key), 0) + 1
            count = seen[(self.path, key)]
        if words[1] == "fail":
            return 503 if count <= int(words[2]) else 200
        if words[1] == "busy":
            return 429 if count == 1 else 200
        if words[1] == "hang" and count == 1:
            return None
        if words[1] == "moved":
            return int(words[2])
        return {"never": 500, "gone": 410}.get(words[1], 200)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        key = self.headers.get("Idempotency-Key", "-")
        status = self.status(key)
        with lock:
            log.write(f"{self.path} {key} {status} {time.time():.3f} {body}\n")
        if status is None:
            time.sleep(600)
            return
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        if self.path.startswith("/moved/"):
            self.send_header("Location", "/at/" + self.path.split("/")[2])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Peer)
server.daemon_threads = True
print("listens", flush=True)
server.serve_forever()
