# SPDX-License-Identifier: MIT
# Logins that must fail, and one that must end: each case is a password for CONNECT.
#   login_attacks.py MQTT_PORT KEY_FILE KEYS_FOLDER
import base64, hashlib, hmac, json, os, socket, struct, subprocess, sys, time

port, key_file, keys = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">H", len(data)) + data


def read(s, count):
    data = b""
    while len(data) < count:
        more = s.recv(count - len(data))
        if not more:
            break
        data += more
    return data


def begin(password, client="attacker", user="jwt", source="127.0.0.1"):
    body = text("MQTT") + b"\x05\xc2\x00\x3c\x00" + text(client) + text(user) + text(password)
    length, head = len(body), b"\x10"
    while True:
        head += bytes([length % 128 | (128 if length > 127 else 0)])
        length //= 128
        if length == 0:
            break
    s = socket.create_connection(("127.0.0.1", port), 120, (source, 0))
    s.settimeout(120)
    s.sendall(head + body)
    return s


def connect(*shown, **more):
    """The socket and the reason of its CONNACK; None: it was cut without one."""
    s = begin(*shown, **more)
    answer = read(s, 2)
    if len(answer) < 2 or answer[0] != 0x20:
        return s, None
    return s, read(s, answer[1])[1]


def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=")


def sign(data):
    return subprocess.run(["openssl", "dgst", "-sha256", "-sign", key_file], input=data, capture_output=True, check=True).stdout


def token(header='{"alg":"RS256","kid":"r1"}', claims=None, signature=sign, **changes):
    if claims is None:
        claims = {"iss": "https://id.example", "aud": "moonlet", "sub": "driver", "exp": time.time() + 600, "policies": "fleet"}
        claims.update(changes)
        claims = json.dumps({k: v for k, v in claims.items() if v is not None})
    data = b64(header) + b"." + b64(claims)
    return data + b"." + b64(signature(data))


public = subprocess.run(["openssl", "pkey", "-in", key_file, "-pubout"], capture_output=True, check=True).stdout
modulus = json.load(open(os.path.join(keys, "jwks.json")))["keys"][0]["n"].encode()
now = time.time()
good = token()
parts = good.split(b".")
claims = json.dumps({"iss": "https://id.example", "aud": "moonlet", "sub": "driver", "exp": now + 600})

cases = {
    "HS256 by the public key": token('{"alg":"HS256","kid":"r1"}', signature=lambda d: hmac.digest(public, d, "sha256")),
    "HS256 by the modulus": token('{"alg":"HS256","kid":"r1"}', signature=lambda d: hmac.digest(modulus, d, "sha256")),
    "RS256 said, HS256 done": token(signature=lambda d: hmac.digest(public, d, "sha256")),
    "none": token('{"alg":"none"}', signature=lambda d: b"x"),
    "NONE": token('{"alg":"NONE","kid":"r1"}', signature=lambda d: b"x"),
    "no algorithm": token('{"kid":"r1"}'),
    "ES256 with zeros": token('{"alg":"ES256","kid":"e1"}', signature=lambda d: bytes(64)),
    "ES256 with the order": token('{"alg":"ES256","kid":"e1"}', signature=lambda d: bytes.fromhex(
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551" * 2)),
    "ES256 in DER": token('{"alg":"ES256","kid":"e1"}', signature=lambda d: b"\x30\x06\x02\x01\x01\x02\x01\x01"),
    "an RSA key for ES256": token('{"alg":"ES256","kid":"r1"}'),
    "an EC key for RS256": token('{"alg":"RS256","kid":"e1"}'),
    "a zero signature": token(signature=lambda d: bytes(256)),
    "a signature too long": token(signature=lambda d: sign(d) + b"\0"),
    "a signature too short": token(signature=lambda d: sign(d)[:-1]),
    "a key of its own": token('{"alg":"RS256","jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"}}'),
    "a URL of its own": token('{"alg":"RS256","kid":"r1","jku":"http://127.0.0.1:1/"}'),
    "critical": token('{"alg":"RS256","kid":"r1","crit":["x"],"x":1}'),
    "the algorithm twice": token('{"alg":"none","kid":"r1","alg":"RS256"}'),
    "a claim twice": token(claims=claims[:-1] + ', "sub": "root"}'),
    "a claim twice, once escaped": token(claims=claims[:-1] + ', "s\\u0075b": "root"}'),
    "a zero in a claim": token(claims=claims.replace("driver", "root\\u0000x")),
    "other claims": parts[0] + b"." + b64(claims.replace("driver", "root")) + b"." + parts[2],
    "another header": b64('{"alg":"RS256","kid":"r1","typ":"JWT"}') + b"." + parts[1] + b"." + parts[2],
    "padding": good + b"=",
    "standard base64": parts[0] + b"." + parts[1] + b"." + base64.b64encode(base64.urlsafe_b64decode(parts[2] + b"==")).rstrip(b"="),
    "a line's end": good + b"\n",
    "a fourth part": good + b".eA",
    "another issuer": token(iss="https://id.example/"),
    "another audience": token(aud=["moonlet2", "moon"]),
    "no audience": token(aud=None),
    "no subject": token(sub=None),
    "a subject with a line's end": token(sub="a\nlog line"),
    "no end": token(exp=None),
    "an end in text": token(exp=str(now + 600)),
    "an end that is no number": token(claims=claims.replace(str(now + 600), "1e999")),
    "over since the leeway": token(exp=now - 61),
    "not yet": token(nbf=now + 120),
    "from the future": token(iat=now + 120),
    "a thing that is not there": token(thing="nobody"),
    "too long": token(pad="x" * 16000),
    "as long as MQTT takes": b"eyJ" + b"x" * 65000,
    "thousands of members": token(**{"m%d" % i: 0 for i in range(900)}),
    "deep": token(claims=claims[:-1] + ', "x": ' + "[" * 500 + "]" * 500 + "}"),
    "a key id as a path": token('{"alg":"RS256","kid":"../../jwks.json"}'),
    "a key id of a megabyte, nearly": token('{"alg":"RS256","kid":"%s"}' % ("k" * 9000)),
    "a token of ours that is none": b"mlt_" + b"A" * 43,
    "an empty password": b"",
    "a zero in a password": b"correct\0",
}
if cases["standard base64"] == good:  # it has neither + nor /
    del cases["standard base64"]
failed = 0
for name, password in cases.items():
    s, reason = connect(password)
    s.close()
    if reason not in (0x86, 0x87):
        print("%s: reason %s" % (name, reason))
        failed += 1
for i in range(40):
    connect(token('{"alg":"RS256","kid":"k%d"}' % i))[0].close()
asked = len(open(os.path.join(keys, "asked")).readlines())
if asked > 6:
    print("the keys were fetched %d times" % asked)
    failed += 1

s, reason = connect(good, client="still")
if reason != 0:
    print("a good one: reason %s" % reason)
    failed += 1
# Ends in five seconds, with the leeway.
ending, reason = connect(token(exp=time.time() - 55), client="ending")
begun = time.time()
end = read(ending, 3)
if reason != 0 or end[:1] != b"\xe0" or end[2:] != b"\x87":
    print("its end: reason %s, then %r" % (reason, end))
    failed += 1
if time.time() - begun < 3:
    print("its end came after %.1f s" % (time.time() - begun))
    failed += 1
# Somebody else guesses: that keeps nobody out.
guesses = [begin("guess %d" % i, "guess", "fritz", "127.0.0.2") for i in range(300)]
s, reason = connect("correct horse", "fritz", "fritz")
if reason != 0:
    print("beside guesses: reason %s" % reason)
    failed += 1
for guess in guesses:
    guess.close()
sys.exit(failed > 0)
