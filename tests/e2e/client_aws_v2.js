// AWS IoT Device SDK for JavaScript v2, as its users write it, for tests/e2e/aws_sdk.sh:
//   node client_aws_v2.js PORT CA CERT KEY THING [TOKEN]
// Its MQTT 5 client, its MQTT 3.1.1 client, and both generations of its shadow client on them; with
// a token its WebSockets too, whose signed request shows it as the session token. Exits 1 with a line
// where something is wrong.
'use strict';

const { auth, mqtt, mqtt5, iot, iotshadow } = require('aws-iot-device-sdk-v2');

const [port, caPath, certPath, keyPath, thing, token] = process.argv.slice(2);

function fail(what) {
  console.error('SDK v2: ' + what);
  process.exit(1);
}
setTimeout(() => fail('took too long'), 120000).unref();

function event(emitter, name) {
  return new Promise((resolve) => emitter.once(name, resolve));
}

async function five() {
  const builder = iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromPath('localhost', certPath, keyPath);
  builder.withCertificateAuthorityFromPath(undefined, caPath);
  builder.withPort(Number(port));
  builder.withConnectProperties({ clientId: thing, keepAliveIntervalSeconds: 30 });
  const client = new mqtt5.Mqtt5Client(builder.build());

  client.on('connectionFailure', (failure) => fail('MQTT 5: ' + failure.error));
  const connected = event(client, 'connectionSuccess');
  client.start();
  await connected;

  const came = event(client, 'messageReceived');
  const suback = await client.subscribe({ subscriptions: [{ topicFilter: 'iot/echo/' + thing, qos: 1 }] });
  if (suback.reasonCodes[0] !== 1) fail('MQTT 5: SUBACK ' + suback.reasonCodes[0]);
  const puback = await client.publish({
    topicName: 'iot/echo/' + thing, qos: 1, payload: 'hello',
    userProperties: [{ name: 'unit', value: 'km' }], contentType: 'text/plain',
  });
  if (puback.reasonCode !== 0) fail('MQTT 5: PUBACK ' + puback.reasonCode);
  const { message } = await came;
  if (Buffer.from(message.payload).toString() !== 'hello' || message.userProperties[0].value !== 'km')
    fail('MQTT 5: another message came');

  const denied = await client.publish({ topicName: 'iot/echo/another', qos: 1, payload: 'x' });
  if (denied.reasonCode !== 0x87) fail('MQTT 5: it may publish as another: ' + denied.reasonCode);

  const shadows = iotshadow.IotShadowClientv2.newFromMqtt5(client, {
    maxRequestResponseSubscriptions: 6, maxStreamingSubscriptions: 2, operationTimeoutInSeconds: 10,
  });
  const stream = shadows.createNamedShadowDeltaUpdatedStream({ thingName: thing, shadowName: 'lamp' });
  const delta = event(stream, 'incomingPublish');
  const subscribed = event(stream, 'subscriptionStatus');
  stream.open();
  await subscribed;
  await shadows.updateNamedShadow({
    thingName: thing, shadowName: 'lamp', state: { desired: { on: true }, reported: { on: false } },
  });
  if ((await delta).message.state.on !== true) fail('shadow client v2: another delta');
  const got = await shadows.getNamedShadow({ thingName: thing, shadowName: 'lamp' });
  if (got.state.desired.on !== true) fail('shadow client v2: another document');
  await shadows.deleteNamedShadow({ thingName: thing, shadowName: 'lamp' });
  const gone = await shadows.getNamedShadow({ thingName: thing, shadowName: 'lamp' }).catch((error) => error);
  if (!gone.modeledError || gone.modeledError.code !== 404) fail('shadow client v2: a deleted shadow is there: ' + JSON.stringify(gone));
  stream.close();
  shadows.close();

  const stopped = event(client, 'stopped');
  client.stop();
  await stopped;
  client.close();
}

async function threeOneOne() {
  const config = iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder_from_path(certPath, keyPath)
    .with_certificate_authority_from_path(undefined, caPath)
    .with_clean_session(true).with_client_id(thing).with_endpoint('localhost').with_port(Number(port)).build();
  const connection = new mqtt.MqttClient().new_connection(config);

  await connection.connect();
  const came = new Promise((resolve) => {
    connection.subscribe('iot/echo/' + thing, mqtt.QoS.AtLeastOnce, (topic, payload) => resolve(Buffer.from(payload).toString()))
      .then(() => connection.publish('iot/echo/' + thing, 'hello', mqtt.QoS.AtLeastOnce));
  });
  if ((await came) !== 'hello') fail('MQTT 3.1.1: another message came');

  const shadows = new iotshadow.IotShadowClient(connection);
  const accepted = new Promise((resolve, reject) => {
    shadows.subscribeToUpdateShadowAccepted({ thingName: thing }, mqtt.QoS.AtLeastOnce,
      (error, response) => (error ? reject(error) : resolve(response)))
      .then(() => shadows.publishUpdateShadow(
        { thingName: thing, clientToken: 't1', state: { reported: { speed: 7 } } }, mqtt.QoS.AtLeastOnce));
  });
  const response = await accepted;
  if (response.clientToken !== 't1' || response.state.reported.speed !== 7) fail('shadow client: another answer');
  await connection.disconnect();
}

async function webSocket() {
  const credentialsProvider = auth.AwsCredentialsProvider.newStatic('AKIDEXAMPLE', 'secret', token);
  const builder = iot.AwsIotMqtt5ClientConfigBuilder.newWebsocketMqttBuilderWithSigv4Auth('localhost', {
    region: 'eu-central-1', credentialsProvider,
  });
  builder.withCertificateAuthorityFromPath(undefined, caPath);
  builder.withPort(Number(port));
  builder.withConnectProperties({ clientId: 'laptop', keepAliveIntervalSeconds: 30 });
  const client = new mqtt5.Mqtt5Client(builder.build());

  client.on('connectionFailure', (failure) => fail('WebSocket: ' + failure.error));
  const connected = event(client, 'connectionSuccess');
  client.start();
  await connected;
  const puback = await client.publish({ topicName: 'laptop/x', qos: 1, payload: 'hello' });
  if (puback.reasonCode !== 0) fail('WebSocket: PUBACK ' + puback.reasonCode);
  const stopped = event(client, 'stopped');
  client.stop();
  await stopped;
  client.close();
}

five().then(threeOneOne).then(() => (token ? webSocket() : undefined)).then(() => {
  console.log('SDK v2: MQTT 5, MQTT 3.1.1, both shadow clients');
  process.exit(0);
}, (error) => fail(error && error.stack ? error.stack : String(error)));
