// MQTT.js over ws:// and wss://, for tests/e2e/websocket.sh: node client_ws.js URL CA_FILE [ORIGIN [CERT KEY THING]]
// Large and small messages there and back; exits 1 with a line where something is wrong.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const mqtt = require('mqtt');

const [url, caFile, origin, certFile, keyFile, thing] = process.argv.slice(2);

function fail(what) {
  console.error(what);
  process.exit(1);
}

const timer = setTimeout(() => fail('took too long'), 120000);
const ca = caFile && caFile !== '-' ? fs.readFileSync(caFile) : undefined;
const headers = origin && origin !== '-' ? { Origin: origin } : {};
const identity = certFile ? { cert: fs.readFileSync(certFile), key: fs.readFileSync(keyFile), clientId: thing } : {};
const client = mqtt.connect(url, {
  ca, protocolVersion: 5, reconnectPeriod: 0, ...identity, wsOptions: { ca, headers, ...identity },
});
const payloads = [0, 1, 125, 126, 127, 65535, 65536, 200000].map((size) => crypto.randomBytes(size));
const topic = 'ws/echo/' + (thing || 'anybody');
let next = 0;

let ending = false;

client.on('close', () => ending || fail('closed'));
client.on('error', (error) => fail('error: ' + error.message));
// What the library says of a handshake that is refused, it says to its stream alone.
client.stream.on('error', (error) => fail('stream: ' + error.message));
client.on('message', (_, payload) => {
  if (!payload.equals(payloads[next])) fail('message ' + next + ' is wrong: ' + payload.length + ' bytes');
  if (++next < payloads.length) return;
  ending = true;
  client.end(false, {}, () => {
    clearTimeout(timer);
    console.log('all came back');
    process.exit(0);
  });
});
client.on('connect', () => {
  client.subscribe(topic, { qos: 1 }, (error) => {
    if (error) fail('subscribe: ' + error.message);
    for (const payload of payloads) client.publish(topic, payload, { qos: 1 });
  });
});
