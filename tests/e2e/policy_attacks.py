# SPDX-License-Identifier: MIT
# Somebody with a password tries to do more than the policies say, by MQTT 5 and HTTP.
# usage: policy_attacks.py MQTT_PORT HTTP_PORT
import base64
import http.client
import socket
import struct
import sys

MQTT_PORT, HTTP_PORT = int(sys.argv[1]), int(sys.argv[2])
USER, PASSWORD = b"mallory", b"password-of-mallory"
REFUSED = 0x87
SECONDS = 30


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">H", len(value)) + value


def number(value):
    out = b""
    while True:
        out += bytes([value % 128 | (128 if value > 127 else 0)])
        value //= 128
        if value == 0:
            return out


class Client:
    """MQTT 5, one packet at a time."""

    def __init__(self, client_id, will=None, retain_will=False, keep=False):
        flags = 0xC0 | (0x02 if not keep else 0)
        body = text("MQTT") + b"\x05"
        payload = text(client_id)
        if will is not None:
            flags |= 0x04 | (0x20 if retain_will else 0)
            payload += b"\0" + text(will) + text("gone")
        properties = b"\x11" + struct.pack(">I", 300) if keep else b""
        body += bytes([flags]) + b"\0\x3c" + number(len(properties)) + properties
        self.socket = socket.create_connection(("127.0.0.1", MQTT_PORT), SECONDS)
        self.received = []
        self.send(0x10, body + payload + text(USER) + text(PASSWORD))
        self.reason = self.read(2)[1]

    def send(self, kind, body):
        self.socket.sendall(bytes([kind]) + number(len(body)) + body)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    # The body of the next packet of that kind; messages on the way are kept.
    def read(self, kind):
        while True:
            head, length, unit = self.exactly(1)[0], 0, 1
            while True:
                byte = self.exactly(1)[0]
                length += (byte & 127) * unit
                unit *= 128
                if byte < 128:
                    break
            body = self.exactly(length)
            if head >> 4 == 3:
                size = struct.unpack(">H", body[:2])[0]
                self.received.append(body[2:2 + size].decode())
            if head >> 4 == kind:
                return body
            if head >> 4 == 14:
                raise EOFError

    def subscribe(self, topic_filter):
        self.send(0x82, b"\0\x01\0" + text(topic_filter) + b"\x01")
        return self.read(9)[-1]

    # Reason of the PUBACK; with `alias` that property, with topic "" what it stood for.
    def publish(self, topic, retain=False, alias=0, payload=b"1"):
        properties = b"\x23" + struct.pack(">H", alias) if alias else b""
        self.send(0x32 | retain, text(topic) + b"\0\x02" + number(len(properties)) + properties + payload)
        body = self.read(4)
        return body[2] if len(body) > 2 else 0

    def ping(self):
        self.send(0xC0, b"")
        self.read(13)

    def close(self):
        self.socket.close()


failures = 0


def same(what, wanted, got):
    global failures
    if wanted != got:
        failures += 1
        print(f"{what}: expected {wanted}, got {got}", file=sys.stderr)


# Client ids that would be wildcards or more than a level; none may publish or hear elsewhere.
def try_client_ids():
    for client_id in ["#", "+", "*", "?", "${*}", "a/b", "bmw1/x", "$aws", "$share", "bmw1%2f", "BMW1", "bmw1 ", "bmw\u00e9"]:
        client = Client(client_id)
        same(f"connect as {client_id}", 0, client.reason)
        for topic in ["cars/bmw1/speed", "cars/a/b/speed", "cars/bmw1/x/speed", "$aws/things/bmw1/shadow/update",
                      "cars//speed", "cars/speed"]:
            same(f"publish to {topic} as {client_id}", REFUSED, client.publish(topic))
        for topic_filter in ["#", "+/#", "cars/#", "cars/+/speed", "cars/bmw1/#", "cars/+/#", "$share/g/#",
                             "$share/g/cars/+/speed", "$aws/things/+/shadow/#", "+/bmw1/speed", "cars/bmw1/speed", "$SYS/#"]:
            same(f"subscribe {topic_filter} as {client_id}", REFUSED, client.subscribe(topic_filter))
        client.close()


def try_own():
    client = Client("audi22")
    same("own topic", 0, client.publish("cars/audi22/speed"))
    same("a Deny in its own topics", REFUSED, client.publish("cars/audi22/secret"))
    same("retain without the right to", REFUSED, client.publish("cars/audi22/speed", retain=True))
    same("own filter", 1, client.subscribe("cars/audi22/#"))
    same("own filter, shared", 1, client.subscribe("$share/g/cars/audi22/+"))
    for topic in ["Cars/audi22/speed", "cars/Audi22/speed", "/cars/audi22/speed", "cars//audi22/speed", "cars/audi22",
                  "cars/audi22x/speed", "cars/audi22%2Fspeed", "cars/../cars/audi22/speed", "a" * 250, "cars/\u0430udi22/speed"]:
        same(f"publish to {topic[:40]}", REFUSED, client.publish(topic))
    client.close()


# An alias that a refused message made must not stand for what is allowed, nor the other way round.
def try_aliases():
    client = Client("audi22")
    same("allowed with alias", 0, client.publish("cars/audi22/speed", alias=1))
    same("by its alias", 0, client.publish("", alias=1))
    same("refused with alias", REFUSED, client.publish("cars/bmw1/speed", alias=1))
    same("by the alias of the refused", REFUSED, client.publish("", alias=1))
    same("another one refused", REFUSED, client.publish("cars/bmw1/speed", alias=2))
    same("by its alias too", REFUSED, client.publish("", alias=2))
    client.close()


def try_wills():
    same("a will elsewhere", REFUSED, Client("audi22", will="cars/bmw1/gone").reason)
    same("a will that is retained", REFUSED, Client("audi22", will="cars/audi22/gone", retain_will=True).reason)
    same("a will on the host's topics", REFUSED, Client("audi22", will="$aws/events/presence/connected/x").reason)
    same("its own will", 0, Client("audi22", will="cars/audi22/gone").reason)


# Who may subscribe to more than receive hears what it may receive: live, retained, and kept for it.
def try_receiving():
    admin = Client("admin-1")
    same("connect as admin", 0, admin.reason)
    ears = Client("ears", keep=True)
    same("wide filter", 1, ears.subscribe("wide/#"))
    ears.ping()
    hears = ["wide/for/ears"]
    for topic in ["wide/secret", "wide/for/ears", "wide/for/ears/not"]:
        same(f"admin publishes {topic}", 0, admin.publish(topic, retain=True))
    wait_for(ears, "wide/for/ears")
    same("heard", hears, sorted(set(ears.received)))
    ears.close()
    for topic in ["wide/secret", "wide/for/ears"]:
        same("admin again", 0, admin.publish(topic, retain=True))
    ears = Client("ears", keep=True)
    wait_for(ears, "wide/for/ears")
    same("heard again, of what was kept", hears, sorted(set(ears.received)))
    ears.received = []
    same("wide filter again", 1, ears.subscribe("wide/+/#"))
    wait_for(ears, "wide/for/ears")
    same("heard of what is retained", hears, sorted(set(ears.received)))
    admin.close()


# Reads until the topic has come, and what was sent before the answer to a ping.
def wait_for(client, topic):
    while topic not in client.received:
        client.read(3)
    client.ping()


def ask(method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", HTTP_PORT, timeout=SECONDS)
    pair = base64.b64encode(USER + b":" + PASSWORD).decode()
    connection.request(method, path, body, {"Authorization": "Basic " + pair})
    return connection.getresponse().status


def try_http():
    same("allowed by HTTP", 200, ask("POST", "/topics/web/a?qos=1", "1"))
    same("the same, encoded", 200, ask("POST", "/topics/web%2Fa?qos=1", "1"))
    for path in ["web/b", "web/a/../b", "web/./a", "/web/a", "web//a", "web/a/", "web%252Fa", "WEB/a", "web/a%2F..%2Fb", "cars/bmw1/speed",
                 "%24aws/things/bmw1/shadow/update", "web/%61%20", "cars/%2B/speed", "web/a%00"]:
        status = ask("POST", f"/topics/{path}?qos=1", "1")
        if status not in (400, 403, 404):
            same(f"POST /topics/{path}", "400, 403 or 404", status)
    same("retained by HTTP", 403, ask("POST", "/topics/web/a?qos=1&retain=true", "1"))
    for path in ["/things/bmw1/shadow", "/things/mine%2F..%2Fbmw1/shadow", "/things/mine/../bmw1/shadow", "/things/mine?/../bmw1/shadow",
                 "/things/mine%2Fother/shadow", "/retainedMessage/wide/secret", "/retainedMessage"]:
        status = ask("GET", path)
        if status not in (400, 403, 404):
            same(f"GET {path}", "400, 403 or 404", status)
    same("a shadow with a name that is none", True, ask("GET", "/things/mine/shadow?name=..%2F..%2Fbmw1") in (400, 403))
    same("its own shadow, which it has not", 404, ask("GET", "/things/mine/shadow"))


for attempt in (try_client_ids, try_own, try_aliases, try_wills, try_receiving, try_http):
    try:
        attempt()
    except (EOFError, OSError) as error:
        failures += 1
        print(f"{attempt.__name__}: the connection ended: {error!r}", file=sys.stderr)
sys.exit(failures > 0)
