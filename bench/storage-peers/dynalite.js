// The same handler for Node.js, MQTT.js and the AWS SDK, with dynalite (DynamoDB's API on LevelDB) in a
// process of its own; as many updates at a time as the broker sends messages.
// usage: node dynalite.js PORT FOLDER
'use strict'
const mqtt = require('mqtt')
const { fork } = require('child_process')
const { DynamoDBClient, CreateTableCommand, UpdateItemCommand } = require('@aws-sdk/client-dynamodb')

if (process.argv[2] === 'serve') {
  const server = require('dynalite')({ path: process.argv[3], createTableMs: 0 })
  server.listen(0, '127.0.0.1', () => process.send(server.address().port))
} else {
  const server = fork(__filename, ['serve', process.argv[3]])
  process.on('SIGTERM', () => { server.kill(); process.exit(0) })
  server.on('message', (port) => run(port).catch((e) => { console.error(e); process.exit(1) }))
}

async function run (port) {
  const db = new DynamoDBClient({
    endpoint: `http://127.0.0.1:${port}`, region: 'local', credentials: { accessKeyId: 'a', secretAccessKey: 'a' }
  })
  await db.send(new CreateTableCommand({
    TableName: 'cars', BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }]
  }))
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const client = mqtt.connect(`mqtt://127.0.0.1:${process.argv[2]}`)
  client.on('connect', () => client.subscribe('iot/ccar-ad/+', { qos: 1 }, () => console.log('ready')))
  client.on('message', async (topic, payload) => {
    const event = JSON.parse(payload)
    await db.send(new UpdateItemCommand({
      TableName: 'cars', Key: { id: { S: event.deviceid } },
      UpdateExpression: 'SET #last = :ts ADD readings :one', ExpressionAttributeNames: { '#last': 'last' },
      ExpressionAttributeValues: { ':ts': { N: String(event.ts) }, ':one': { N: '1' } }
    }))
    client.publish(`alerts/${event.deviceid}`, JSON.stringify({ ts: event.ts }), { qos: 1 })
  })
}
