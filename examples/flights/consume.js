// A consumer of the group in Node (kafkajs).
//
//     consume.js BOOTSTRAP TOPIC GROUP OUTPUT
//
// Writes a line for each record, `time-in-microseconds partition offset row crc32-of-value key`, commits after
// it has written, and leaves the group when its standard input ends.
'use strict'
const fs = require('fs')
const { Kafka, CompressionTypes, CompressionCodecs, PartitionAssigners, logLevel } = require('kafkajs')
const lz4 = require('lz4js')

CompressionCodecs[CompressionTypes.LZ4] = () => ({ decompress: async buffer => Buffer.from(lz4.decompress(buffer)) })

const TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  for (let bit = 0; bit < 8; bit++) i = i & 1 ? 0xedb88320 ^ (i >>> 1) : i >>> 1
  return i
})

function crc32(bytes) {
  let crc = 0xffffffff
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

const [bootstrap, topic, groupId, path] = process.argv.slice(2)
const output = fs.openSync(path, 'w')
const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 100, initialRetryTime: 100, maxRetryTime: 500 } })
// The round-robin assignor under the name by which all other clients know it: a group needs one that all have.
const roundRobin = config => ({ ...PartitionAssigners.roundRobin(config), name: 'roundrobin' })
const consumer = kafka.consumer({ groupId, partitionAssigners: [roundRobin], sessionTimeout: 10000, heartbeatInterval: 1000, rebalanceTimeout: 10000, maxWaitTimeInMs: 200 })

async function main() {
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    eachBatch: async ({ batch }) => {
      const now = Date.now() * 1000
      const lines = batch.messages.map(message => {
        const row = JSON.parse(message.value.toString()).row
        return `${now} ${batch.partition} ${message.offset} ${row} ${crc32(message.value)} ${message.key || '-'}\n`
      })
      fs.writeSync(output, lines.join(''))
    },
  })
  process.stdin.resume()
  process.stdin.on('end', async () => {
    await consumer.disconnect()
    process.exit(0)
  })
}

main()
