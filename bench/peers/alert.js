// The same handler as bench/functions/alert.lua for Node.js: MQTT.js beside a Mosquitto.
// usage: node alert.js PORT QOS
'use strict'
const mqtt = require('mqtt')
const [port, qos] = [process.argv[2], Number(process.argv[3] || 0)]
const client = mqtt.connect(`mqtt://127.0.0.1:${port}`)

client.on('connect', () => client.subscribe('iot/ccar-ad/+', { qos }, () => console.log('ready')))
client.on('message', (topic, payload) => {
  const event = JSON.parse(payload)
  if (event.speed <= 120) return
  const alert = { device: event.deviceid, speed: event.speed, ts: event.ts }
  client.publish(`alerts/${event.deviceid}`, JSON.stringify(alert), { qos })
})
