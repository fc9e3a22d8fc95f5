// AWS IoT Device SDK for JavaScript v1, as its users write it, for tests/e2e/aws_sdk.sh:
//   node client_aws_v1.js PORT CA CERT KEY THING
// Messages there and back, and a thing's shadow: update, delta, get, delete. Exits 1 with a line
// where something is wrong.
'use strict';

const aws = require('aws-iot-device-sdk');

const [port, caPath, certPath, keyPath, thing] = process.argv.slice(2);
const settings = { host: 'localhost', port: Number(port), caPath, certPath, keyPath, reconnectPeriod: 0 };

function fail(what) {
  console.error('SDK v1: ' + what);
  process.exit(1);
}
setTimeout(() => fail('took too long'), 120000).unref();

function device(next) {
  const client = aws.device({ ...settings, clientId: thing });

  client.on('error', (error) => fail('device: ' + error.message));
  client.on('connect', () => {
    client.subscribe('iot/echo/' + thing, { qos: 1 }, (error, granted) => {
      if (error || granted[0].qos !== 1) fail('the subscription was not granted');
      client.publish('iot/echo/' + thing, JSON.stringify({ speed: 42 }), { qos: 1 });
    });
  });
  client.on('message', (topic, payload) => {
    if (JSON.parse(payload.toString()).speed !== 42) fail('another message came: ' + payload);
    client.end(false, next);
  });
}

function shadow(next) {
  const shadows = aws.thingShadow({ ...settings, clientId: thing });
  const steps = [];
  let waited;

  const ask = (operation, document) => {
    waited = operation === 'update' ? shadows.update(thing, document) : shadows[operation](thing);
    if (waited === null) fail(operation + ' is under way already');
  };

  shadows.on('error', (error) => fail('shadow: ' + error.message));
  shadows.on('timeout', (name, token) => fail('no answer to ' + token));
  shadows.on('connect', () => {
    shadows.register(thing, { ignoreDeltas: false }, () => {
      ask('update', { state: { desired: { lamp: 'on' }, reported: { lamp: 'off' } } });
    });
  });
  shadows.on('delta', (name, state) => {
    if (state.state.lamp !== 'on') fail('another delta came: ' + JSON.stringify(state));
    steps.push('delta');
  });
  shadows.on('status', (name, status, token, state) => {
    if (token !== waited) fail('an answer to somebody else: ' + token);
    if (status !== 'accepted') fail('rejected: ' + JSON.stringify(state));
    steps.push('accepted');
    if (steps.filter((step) => step === 'accepted').length === 1) {
      ask('get');
    } else if (state.state) {
      if (state.state.desired.lamp !== 'on' || state.state.reported.lamp !== 'off')
        fail('another document came: ' + JSON.stringify(state));
      ask('delete');
    } else {
      if (!steps.includes('delta')) fail('no delta came');
      shadows.end(false, next);
    }
  });
}

device(() => shadow(() => {
  console.log('SDK v1: messages and shadow');
  process.exit(0);
}));
