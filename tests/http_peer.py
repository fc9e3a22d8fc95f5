# SPDX-License-Identifier: MIT
# A web server with bad manners on request, for tests/test_http_client.c. Prints its port. With a
# certificate and a key as arguments it speaks TLS. Ends with its standard input.
import http.server
import os
import ssl
import sys
import threading
import time
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def serve(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path == "/echo":
            lines = "".join(f"{k}: {v}\n" for k, v in self.headers.items())
            self.answer(200, f"{self.command} {self.path}\n{lines}\n".encode() + body, X_Port=str(self.client_address[1]))
        elif url.path == "/redirect":
            self.answer(int(query.get("status", 302)), Location=query["to"])
        elif url.path == "/loop":
            self.answer(302, Location="/loop")
        elif url.path == "/slow":
            time.sleep(20)
        elif url.path == "/huge":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                self.close_connection = True
        elif url.path == "/headers":
            self.send_response(200)
            for i in range(5000):
                self.send_header(f"X-{i}", "y" * 100)
            self.end_headers()
        elif url.path == "/drop":
            self.close_connection = True
        else:
            self.answer(404, b"no such page")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", 0), Handler)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True)
sys.stdout.write(f"{server.server_address[1]}\n")
sys.stdout.flush()
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
os._exit(0)
