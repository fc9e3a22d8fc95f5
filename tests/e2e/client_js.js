// SPDX-License-Identifier: MIT
// MQTT.js against a gateway: every QoS, both versions, many at a time, a session that is found
// again. usage: client_js.js PORT
const assert = require("assert");
const mqtt = require("mqtt");

const url = `mqtt://127.0.0.1:${process.argv[2]}`;
const COUNT = 500;

setTimeout(() => { console.error("MQTT.js: no end in 120 s"); process.exit(1); }, 120000).unref();

async function roundTrip(protocolVersion, qos) {
  const topic = `js/${protocolVersion}/${qos}`;
  const protocolId = protocolVersion === 3 ? "MQIsdp" : "MQTT";
  const client = await mqtt.connectAsync(url, { protocolId, protocolVersion, clientId: `js-${protocolVersion}-${qos}` });
  const seen = [];
  const all = new Promise((resolve) => client.on("message", (_topic, payload) => {
    seen.push(Number(payload));
    if (seen.length === COUNT) resolve();
  }));
  await client.subscribeAsync(topic, { qos });
  // MQTT.js does not heed the server's receive maximum: so many at a time.
  for (let from = 0; from < COUNT; from += 50)
    await Promise.all([...Array(50).keys()].map((i) => client.publishAsync(topic, String(from + i), { qos })));
  await all;
  assert.deepStrictEqual(seen, [...Array(COUNT).keys()]);
  await client.endAsync();
}

async function sessionIsKept() {
  const options = { protocolVersion: 5, clientId: "js-keeper", clean: false, properties: { sessionExpiryInterval: 600 } };
  let client = await mqtt.connectAsync(url, options);
  await client.subscribeAsync("js/kept", { qos: 1 });
  await client.endAsync();
  const other = await mqtt.connectAsync(url, { protocolVersion: 5, properties: { topicAliasMaximum: 5 } });
  await other.publishAsync("js/kept", "while away", { qos: 1, properties: { userProperties: { k: ["v", "w"] } } });
  client = mqtt.connect(url, options);
  const [connack, message] = await Promise.all([
    new Promise((resolve) => client.once("connect", resolve)),
    new Promise((resolve) => client.once("message", (_topic, payload, packet) => resolve({ payload, packet }))),
  ]);
  assert.strictEqual(connack.sessionPresent, true);
  assert.strictEqual(String(message.payload), "while away");
  assert.deepStrictEqual(message.packet.properties.userProperties.k, ["v", "w"]);
  await client.endAsync();
  await other.endAsync();
}

async function refusalIsSaid() {
  const client = await mqtt.connectAsync(url, { protocolVersion: 5 });
  const granted = await client.subscribeAsync("a/#/b").catch((error) => error);
  assert(granted instanceof Error, "a wrong filter was granted");
  await client.endAsync();
}

(async () => {
  for (const version of [3, 4, 5])
    for (const qos of [0, 1, 2])
      await roundTrip(version, qos);
  await sessionIsKept();
  await refusalIsSaid();
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
