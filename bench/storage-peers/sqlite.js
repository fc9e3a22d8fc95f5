// The same handler as bench/storage-count/count.lua for Node.js: MQTT.js beside a Mosquitto, and
// better-sqlite3 with a synced commit for each message.
// usage: node sqlite.js PORT FILE
'use strict'
const mqtt = require('mqtt')
const db = require('better-sqlite3')(process.argv[3])
db.pragma('journal_mode = WAL')
db.pragma('synchronous = FULL')
db.exec('CREATE TABLE cars (id TEXT PRIMARY KEY, item TEXT NOT NULL)')
const get = db.prepare('SELECT item FROM cars WHERE id = ?')
const put = db.prepare('INSERT OR REPLACE INTO cars (id, item) VALUES (?, ?)')
const update = db.transaction((event) => {
  const row = get.get(event.deviceid)
  const car = row ? JSON.parse(row.item) : { id: event.deviceid, readings: 0 }
  car.readings++
  car.last = event.ts
  put.run(car.id, JSON.stringify(car))
})
const client = mqtt.connect(`mqtt://127.0.0.1:${process.argv[2]}`)

client.on('connect', () => client.subscribe('iot/ccar-ad/+', { qos: 1 }, () => console.log('ready')))
client.on('message', (topic, payload) => {
  const event = JSON.parse(payload)
  update(event)
  client.publish(`alerts/${event.deviceid}`, JSON.stringify({ ts: event.ts }), { qos: 1 })
})
